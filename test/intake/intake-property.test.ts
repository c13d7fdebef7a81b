import test from 'ava';
import fc from 'fast-check';
import { Committer } from '../../bridge/intake/committer.js';
import type { TopicPartition } from '../../bridge/intake/record-source.js';
import { turn } from '../helpers/doubles/clock.js';
import { intakeOf, ManualDelivery, P0, P1 } from './intake-doubles.js';

type Step =
  | { readonly do: 'produce' | 'skip'; readonly which: number; readonly count: number }
  | { readonly do: 'poll'; readonly batch: number }
  | { readonly do: 'accept' | 'settle' | 'giveBack'; readonly which: number }
  | { readonly do: 'commit'; readonly refused: boolean }
  | { readonly do: 'assign'; readonly which: number; readonly rejoined: boolean };

const nat = fc.nat(30);

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('produce' as const),
        which: nat,
        count: fc.integer({ min: 1, max: 8 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('skip' as const),
        which: nat,
        count: fc.integer({ min: 1, max: 3 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('poll' as const), batch: fc.integer({ min: 1, max: 10 }) }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constantFrom('settle' as const, 'accept' as const, 'giveBack' as const),
        which: nat,
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('commit' as const), refused: fc.boolean() }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('assign' as const), which: nat, rejoined: fc.boolean() }),
    },
  ),
  { maxLength: 60 },
);

const ASSIGNMENTS: readonly (readonly TopicPartition[])[] = [[P0, P1], [P0], [P1], []];

/** @throws where a promise is broken */
async function play(commitOn: 'accepted' | 'settled', zombies: boolean, all: readonly Step[]): Promise<void> {
  const delivery = new ManualDelivery(commitOn);
  if (zombies) delivery.atAbort = () => undefined;
  const { source, intake, poll } = intakeOf({
    delivery,
    limits: { records: 12, minimumShare: 2 },
    options: { maxPollRecords: () => 5 },
  });
  const committer = new Committer({ source, intake, intervalMs: 1 });
  const both = [P0, P1];
  /** What Temporal holds, by whichever owner. */
  const durable = new Set<string>();
  const produced: string[] = [];
  const textOf = (at: TopicPartition, offset: bigint): string => `${at.partition}/${offset}`;
  const accept = (held: (typeof delivery.held)[number]): void => {
    durable.add(textOf(held.record.source, held.record.source.offset));
  };
  const highest = new Map<TopicPartition, bigint>();
  const check = (): void => {
    if (intake.buffered.records > 12) throw new Error(`${intake.buffered.records} records are held`);
    for (const at of both) {
      const committed = source.committedOf(at) ?? 0n;
      if (committed < (highest.get(at) ?? 0n)) throw new Error(`${committed} goes back`);
      highest.set(at, committed);
      for (const text of produced) {
        const [partition, offset] = text.split('/');
        if (Number(partition) === at.partition && BigInt(offset!) < committed && !durable.has(text))
          throw new Error(`${committed} is committed, and ${text} is lost`);
      }
    }
  };
  const accepted = new Set<object>();
  source.produce(P0, 0);
  source.produce(P1, 0);
  source.assign(both);
  for (const step of all) {
    const held =
      'which' in step && delivery.held.length > 0
        ? delivery.held[step.which % delivery.held.length]
        : undefined;
    switch (step.do) {
      case 'produce':
        for (const one of source.produce(both[step.which % 2]!, step.count))
          produced.push(textOf(one, one.offset));
        break;
      case 'skip':
        source.skip(both[step.which % 2]!, step.count);
        break;
      case 'poll':
        await poll(step.batch);
        break;
      case 'accept':
        if (!held) break;
        accepted.add(held);
        if (commitOn === 'accepted') accept(held);
        held.observer.accepted(held.record);
        break;
      case 'settle':
        if (!held) break;
        accept(held);
        delivery.settle(held);
        break;
      case 'giveBack':
        if (held && !accepted.has(held)) delivery.giveBack(held);
        break;
      case 'commit':
        source.refuseCommits = step.refused ? new Error('refused') : undefined;
        await committer.flush();
        break;
      case 'assign':
        source.assign(ASSIGNMENTS[step.which % ASSIGNMENTS.length]!, step.rejoined);
        break;
    }
    await turn();
    check();
  }
  source.refuseCommits = undefined;
  source.assign(both);
  for (let round = 0; round < 300; round++) {
    await poll();
    for (const held of Array.from(delivery.held)) {
      accept(held);
      delivery.settle(held);
    }
    await turn();
    await committer.flush();
    check();
    if (both.every((at) => (source.committedOf(at) ?? 0n) === source.logOf(at).end)) break;
  }
  for (const at of both) {
    const { end } = source.logOf(at);
    if ((source.committedOf(at) ?? 0n) !== end)
      throw new Error(`partition ${at.partition} stands at ${source.committedOf(at)} of ${end}`);
  }
  for (const text of produced) if (!durable.has(text)) throw new Error(`${text} was never handed over`);
  if (intake.buffered.records !== 0 || intake.buffered.bytes !== 0)
    throw new Error(`${intake.buffered.records} records are left`);
}

for (const commitOn of ['accepted', 'settled'] as const) {
  for (const zombies of [false, true]) {
    const who = zombies ? 'with zombies that go on' : 'with records that come back';
    test(`commit on ${commitOn}, ${who}: nothing is lost, no commit passes what is not done, all arrives`, async (t) => {
      await fc.assert(
        fc.asyncProperty(steps, (all) => play(commitOn, zombies, all)),
        { numRuns: 150 },
      );
      t.pass();
    });
  }
}
