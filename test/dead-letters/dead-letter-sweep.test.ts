import test from 'ava';
import fc from 'fast-check';
import { OVERLAP_MS, SweepModel, type ModelBridge } from './sweep-model.js';

test('what ended badly is published once, to the topic of its route', async (t) => {
  const model = new SweepModel();
  const runs = [model.close(), model.close({ route: 'paid' })];
  const bridge = model.bridge();
  await bridge.run();
  await bridge.run();
  t.deepEqual(model.published().toSorted(), runs);
  t.deepEqual(model.log.map(({ topic }) => topic).toSorted(), ['dead', 'orders.dlq']);
});

test('nothing of a route without the option, of another subscription, or of nobody is published', async (t) => {
  const model = new SweepModel();
  model.close({ route: 'quiet' });
  model.close({ subscription: 'billing' });
  model.close({ route: '', topic: 'unknown' });
  await model.bridge().run();
  t.deepEqual(model.log, []);
});

test('what no route could be found for goes to the topic of the first route that reads its topic and publishes', async (t) => {
  const model = new SweepModel();
  model.close({ route: '' });
  await model.bridge().run();
  t.deepEqual(
    model.log.map(({ topic }) => topic),
    ['orders.dlq'],
  );
});

test('the next process publishes nothing that is published, however long ago, and all that closed while nobody swept', async (t) => {
  const model = new SweepModel();
  const first = model.close();
  await model.bridge().run();
  model.now += 30 * 86_400_000;
  const later = [model.close(), model.close({ route: 'paid' })];
  model.now += 86_400_000;
  await model.bridge().run();
  t.deepEqual(model.published().toSorted(), [first, ...later]);
});

test('a process that dies before it could keep how far it is publishes again what Kafka has, and nothing is forgotten', async (t) => {
  const model = new SweepModel();
  const runs = Array.from({ length: 9 }, () => model.close());
  await t.throwsAsync(model.bridge({ endsAfter: 5 }).run());
  await model.bridge().run();
  t.deepEqual([...new Set(model.published())].toSorted(), runs);
});

test('a process that is told to end keeps what Kafka has, and no more: the next one goes on behind it', async (t) => {
  const model = new SweepModel();
  const runs = Array.from({ length: 9 }, () => {
    model.now += 2 * OVERLAP_MS;
    return model.close();
  });
  await model.bridge({ endsAfter: 5, dies: false }).run();
  t.is(model.log.length, 5);
  await model.bridge().run();
  t.deepEqual(model.published().toSorted(), runs);
});

test('a route that Kafka takes nothing of waits, tells of it once a look, and holds no other', async (t) => {
  const model = new SweepModel();
  const placed = Array.from({ length: 9 }, () => model.close());
  model.refused.add('placed');
  const paid = Array.from({ length: 9 }, () => model.close({ route: 'paid' }));
  const bridge = model.bridge();
  await bridge.run();
  t.deepEqual(model.published().toSorted(), paid);
  t.deepEqual(bridge.failed, ['placed']);
  model.now += 10 * OVERLAP_MS;
  const late = model.close({ route: 'paid' });
  await bridge.run();
  await bridge.run();
  t.deepEqual(model.published('paid').toSorted(), [...paid, late].toSorted());
  model.refused.clear();
  await model.bridge().run();
  t.deepEqual(model.published('placed').toSorted(), placed);
  t.is(model.log.length, placed.length + paid.length + 1, 'each once');
});

test('a route that gets the option later is published from the first on, the others not again', async (t) => {
  const model = new SweepModel();
  model.close({ route: 'paid' });
  model.now += 10 * OVERLAP_MS;
  model.close();
  await model.bridge().run();
  const kept = JSON.parse(model.cursor.kept!) as { until: Record<string, number> };
  delete kept.until['paid'];
  model.cursor.kept = JSON.stringify(kept);
  await model.bridge().run();
  t.is(model.published('placed').length, 1);
  t.is(model.published('paid').length, 2);
});

test('what was run again is looked at once', async (t) => {
  const model = new SweepModel();
  model.superseded.add(model.close());
  const bridge = model.bridge();
  await bridge.run();
  await bridge.run();
  t.deepEqual([model.looks, model.log.length], [1, 0]);
});

test('a quiet subscription is asked for what is new only, and keeps nothing', async (t) => {
  const model = new SweepModel();
  // Somebody else's on the same task queue.
  for (let one = 0; one < 50; one++) {
    model.now += OVERLAP_MS;
    model.close({ subscription: 'billing' });
  }
  const bridge = model.bridge();
  for (let look = 0; look < 5; look++) await bridge.run();
  t.false(model.queries[0]!.includes('CloseTime'));
  t.true(model.queries.slice(1).every((query) => query.includes('CloseTime')));
  t.is(model.cursor.updates, 1);
});

test('what closed long ago is not asked for again and again, and what comes late is still found', async (t) => {
  const model = new SweepModel();
  const late = model.close({ lagMs: OVERLAP_MS });
  model.now += OVERLAP_MS / 2;
  const last = model.close();
  const bridge = model.bridge();
  await bridge.run();
  t.deepEqual(model.published(), [last]);
  model.now += OVERLAP_MS + 1;
  await bridge.run();
  await bridge.run();
  t.deepEqual(model.published(), [last, late]);
  t.true(model.queries.at(-1)!.includes(new Date(model.now - OVERLAP_MS - 1).toISOString()));
  await model.bridge().run();
  t.is(model.log.length, 2, 'the next process knows them');
});

test('a cursor that nobody can read is none: all is published again', async (t) => {
  const model = new SweepModel();
  const run = model.close();
  for (const kept of [
    'null',
    '7',
    '{"v":2}',
    '{"v":1}',
    '{"v":1,"until":{"placed":"x"},"published":[[1]]}',
  ]) {
    model.cursor.kept = kept;
    model.log.length = 0;
    await model.bridge().run();
    t.deepEqual(model.published(), [run], kept);
  }
});

test('who takes over goes on where the other one is', async (t) => {
  const model = new SweepModel();
  const [one, other] = [model.bridge(), model.bridge()];
  const runs: string[] = [];
  for (const bridge of [one, other, one, other]) {
    runs.push(model.close());
    await bridge.run();
    bridge.sweep.handOver();
    model.now += 3 * OVERLAP_MS;
  }
  t.deepEqual(model.published(), runs);
});

type Step =
  | { readonly do: 'close'; readonly route: string; readonly lagMs: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'sweep'; readonly who: number; readonly both: boolean }
  | { readonly do: 'restart'; readonly who: number; readonly endsAfter: number; readonly dies: boolean }
  | { readonly do: 'refuse'; readonly route: string }
  | { readonly do: 'take' }
  | { readonly do: 'lose' };

const route = fc.constantFrom('placed', 'paid');
const who = fc.nat(1);
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('close' as const),
        route,
        lagMs: fc.integer({ min: 0, max: OVERLAP_MS }),
      }),
    },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(4 * OVERLAP_MS) }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('sweep' as const), who, both: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('restart' as const),
        who,
        endsAfter: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 9 })),
        dies: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('refuse' as const), route }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('take' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const) }) },
  ),
  { maxLength: 60 },
);

test('over any restarts, sweeps side by side, refusals, late visibility and lost writes no dead letter is forgotten, and without them none is published twice', async (t) => {
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const model = new SweepModel();
      const bridges: ModelBridge[] = [model.bridge(), model.bridge()];
      const runs: string[] = [];
      const sweep = (index: number) => bridges[index]!.run().catch(() => undefined);
      for (const step of all) {
        if (step.do === 'close') runs.push(model.close(step));
        if (step.do === 'pass') model.now += step.ms;
        if (step.do === 'sweep') await Promise.all(step.both ? [sweep(0), sweep(1)] : [sweep(step.who)]);
        if (step.do === 'restart') bridges[step.who] = model.bridge(step);
        if (step.do === 'refuse') model.refused.add(step.route);
        if (step.do === 'take') model.refused.clear();
        if (step.do === 'lose') model.cursor.failures = 1;
      }
      model.now += OVERLAP_MS;
      model.refused.clear();
      model.cursor.failures = 0;
      await model.bridge().run();
      const published = model.published();
      const forgotten = runs.filter((run) => !published.includes(run));
      if (forgotten.length > 0) throw new Error(`${forgotten.join(', ')} forgotten`);
      const harmless = all.every(
        (step) =>
          step.do !== 'lose' &&
          (step.do !== 'sweep' || (!step.both && step.who === 0)) &&
          (step.do !== 'restart' || step.endsAfter === Infinity || !step.dies),
      );
      if (harmless && published.length > runs.length) throw new Error('published twice');
    }),
    { numRuns: 3_000 },
  );
  t.pass();
});
