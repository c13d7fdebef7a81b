import { Readable } from 'node:stream';
import test from 'ava';
import fc from 'fast-check';
import { lineReader } from '../../../bridge/operate/produce/line-record.js';
import { produceLines, type ProduceOptions } from '../../../bridge/operate/produce/produce-lines.js';
import type { ProduceState, StateStore } from '../../../bridge/operate/produce/state-file.js';
import { SlowProducer, TopicDouble } from '../../helpers/doubles/topic-double.js';

/** A file whose writes take a turn, and of which only a killed process's last complete one is left. */
class StateDouble implements StateStore {
  readonly path = 'state.json';
  text: string | undefined;
  alive = true;
  writes = 0;

  async load(): Promise<ProduceState | undefined> {
    return this.text === undefined ? undefined : (JSON.parse(this.text) as ProduceState);
  }

  async write(state: ProduceState): Promise<void> {
    const text = JSON.stringify(state);
    await new Promise((resolve) => setImmediate(resolve));
    if (!this.alive) throw new Error('the process was killed');
    this.text = text;
    this.writes++;
  }
}

const FOREVER = Number.MAX_SAFE_INTEGER;

interface Scene {
  readonly topic: TopicDouble;
  readonly state: StateDouble;
  /** One process. @returns what it ended with; undefined: it was killed */
  run(
    lines: readonly string[],
    killAfter?: number,
    options?: ProduceOptions,
  ): Promise<Awaited<ReturnType<typeof produceLines>> | undefined>;
}

function createScene(next: (below: number) => number = randomOf(1), partitions = 3): Scene {
  const topic = new TopicDouble(partitions);
  const state = new StateDouble();
  return {
    topic,
    state,
    run: async (lines, killAfter = FOREVER, options = {}) => {
      state.alive = true;
      const producer = new SlowProducer(topic, { next, killAfter, onKill: () => (state.alive = false) });
      const input = Readable.from(lines.map((line) => Buffer.from(`${line}\n`)));
      const request = { topic: 'orders', input, name: 'lines', read: lineReader({}) };
      try {
        return await produceLines({ producer, log: topic, state }, request, options);
      } catch (error) {
        if (!producer.killed) throw error;
        return undefined;
      }
    },
  };
}

/** Deterministic, by a seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Of any line: its key's length decides the partition; some have an idempotency key of their own, or the same as others. */
const line = (n: number, kind: number): string =>
  JSON.stringify({
    key: 'k'.repeat(1 + (n % 3)),
    value: kind === 2 ? 'the same' : n,
    ...(kind === 0 ? {} : { headers: { 'idempotency-key': kind === 1 ? `own-${n}` : 'the same' } }),
  });

const contents = (topic: TopicDouble): string[] =>
  topic.records
    .map(({ key, value, headers }) => {
      const own = String((headers['idempotency-key'] as readonly Buffer[])[0]);
      return `${String(key)} ${String(value)} ${/^[0-9a-f-]{36}:\d+$/.test(own) ? 'of the run' : own}`;
    })
    .toSorted();

const expected = (kinds: readonly number[]): string[] =>
  kinds
    .map((kind, n) => {
      const key = 'k'.repeat(1 + (n % 3));
      if (kind === 0) return `${key} ${n} of the run`;
      return kind === 1 ? `${key} ${n} own-${n}` : `${key} "the same" the same`;
    })
    .toSorted();

test('killed at any step, any number of times: each line is in the topic, and none twice', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(0, 0, 1, 2), { minLength: 1, maxLength: 60 }),
      fc.array(fc.nat(25), { maxLength: 5 }),
      fc.nat(),
      async (kinds, kills, seed) => {
        const scene = createScene(randomOf(seed));
        const lines = kinds.map((kind, n) => line(n, kind));
        for (const killAfter of kills) await scene.run(lines, killAfter);
        const report = await scene.run(lines);
        t.true(report!.ended);
        t.deepEqual(contents(scene.topic), expected(kinds));
        t.is(report!.sent + report!.before, kinds.length);
        const again = await scene.run(lines);
        t.is(again!.sent, 0);
      },
    ),
    // Two lines that are the same, of which one was sent: found a second time, it would stand for the other.
    { numRuns: 200, examples: [[[0, 0, 0, 2, 0, 0, 2], [1, 0], 260272501]] },
  );
});

test('many lines, with a partition that stands still for long, are in the topic once, over several kills', async (t) => {
  const random = randomOf(7);
  // Partition 2 is seldom chosen: the others go on until the window is full.
  const scene = createScene((below) => (below === 3 ? (random(200) === 0 ? 2 : random(2)) : random(below)));
  const kinds = Array.from({ length: 15_000 }, (_, n) => (n % 50 === 0 ? 1 : 0));
  const lines = kinds.map((kind, n) => line(n, kind));
  for (const killAfter of [300, 1_000, 50, 700]) await scene.run(lines, killAfter);
  t.true(scene.state.writes > 4);
  const report = await scene.run(lines);
  t.true(report!.before > 0);
  t.true(report!.ended);
  t.deepEqual(contents(scene.topic), expected(kinds));
});

test('no line is sent before a state by which it would be looked for is on the disk', async (t) => {
  const scene = createScene();
  const lines = [line(0, 0), line(1, 0)];
  scene.state.write = () => Promise.reject(new Error('no space left'));
  await t.throwsAsync(scene.run(lines), { message: 'no space left' });
  t.deepEqual(scene.topic.records, []);
});

test('a bad line ends it, and what stands before it is sent; left out, it is counted once', async (t) => {
  const scene = createScene();
  const lines = [line(0, 0), 'no JSON', line(2, 0), ''];
  await t.throwsAsync(scene.run(lines), {
    code: 'KTB_RECORD',
    message: /^lines, line 2: Expected the line to be JSON/,
  });
  t.is(scene.topic.records.length, 1);
  const left: [number, string][] = [];
  const report = await scene.run(lines, FOREVER, {
    skipBad: true,
    onSkipped: (at, why) => left.push([at, why]),
  });
  t.like(report, { lines: 4, sent: 1, before: 1, skipped: 1, ended: true });
  t.deepEqual(
    left.map(([at]) => at),
    [2],
  );
  t.like(await scene.run(lines), { sent: 0, before: 2, skipped: 1, ended: true });
});

test('it ends when it is told to, with what was under way in the log and noted', async (t) => {
  const scene = createScene(randomOf(3));
  const stop = new AbortController();
  const lines = Array.from({ length: 2_000 }, (_, n) => line(n, 0));
  const { append } = scene.topic;
  scene.topic.append = function (this: TopicDouble, ...args: Parameters<typeof append>) {
    if (this.records.length === 100) stop.abort();
    return append.apply(this, args);
  };
  const report = await scene.run(lines, FOREVER, { signal: stop.signal });
  t.false(report!.ended);
  t.is(report!.sent, scene.topic.records.length);
  t.is((await scene.state.load())!.sent, report!.sent);
  t.true((await scene.run(lines))!.ended);
  t.is(scene.topic.records.length, 2_000);
});
