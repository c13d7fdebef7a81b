import test from 'ava';
import fc from 'fast-check';
import type { Priority } from '../../bridge/config/types.js';
import { LaneQueue } from '../../bridge/intake/lane-queue.js';
import { PRIORITIES } from '../../bridge/priority.js';

type Given = readonly [offset: bigint, priority?: Priority, key?: string];

function queueOf(...given: readonly Given[]) {
  const queue = new LaneQueue<string>();
  for (const [offset, priority, key] of given) queue.add(`r${offset}`, offset, key, priority);
  const take = (priority: Priority) => queue.take(priority)?.item;
  return { queue, take };
}

test('each priority in the order of the log, whatever the order of their coming', (t) => {
  const { queue, take } = queueOf([5n, 'low'], [6n, 'high'], [7n, 'low'], [4n, 'low'], [8n, 'high']);
  t.is(queue.size, 5);
  t.is(queue.head?.offset, 4n);
  t.deepEqual([take('high'), take('high'), take('high')], ['r6', 'r8', undefined]);
  t.deepEqual([take('low'), take('low'), take('low')], ['r4', 'r5', 'r7']);
  t.is(queue.size, 0);
});

test('one whose priority is not known waits until it is, and those of its key with it', (t) => {
  const { queue, take } = queueOf([0n, undefined, 'a'], [1n, 'high', 'a'], [2n, undefined, 'b']);
  t.false(queue.has('high'));
  const first = queue.unknown!;
  t.is(first.offset, 0n);
  queue.know(first, 'low');
  queue.know(first, 'high');
  t.is(queue.unknown?.offset, 2n);
  t.is(take('high'), undefined);
  t.is(take('low'), 'r0');
});

test('a high one waits for an earlier one of its key: while that waits, and while it goes another way', (t) => {
  const { queue, take } = queueOf([0n, 'low', 'a'], [1n, 'high', 'a'], [2n, 'high', 'b']);
  t.is(take('high'), 'r2');
  const low = queue.take('low')!;
  t.false(queue.has('high'), 'nobody knows yet where the first one goes');
  t.true(queue.goes(low, 'low'));
  const high = queue.take('high')!;
  t.false(queue.goes(high, 'high'), 'it is back');
  t.is(queue.size, 1);
  t.false(queue.has('high'));
  queue.done(0n);
  t.is(take('high'), 'r1');
});

test('two of a key that go the same way need not wait for one another', (t) => {
  const { queue } = queueOf([0n, 'low', 'a'], [1n, 'low', 'a']);
  t.true(queue.goes(queue.take('low')!, 'low'));
  t.true(queue.goes(queue.take('low')!, 'low'));
});

test('one that can not go its way yet is overtaken by nothing of its key, on the same way either', (t) => {
  const { queue } = queueOf([0n, 'low', 'a'], [1n, 'high', 'a']);
  const low = queue.take('low')!;
  t.true(queue.goes(low, 'stage'));
  queue.hesitates(low);
  t.false(queue.has('high'));
  t.true(queue.goes(low, 'stage'));
  t.true(queue.goes(queue.take('high')!, 'stage'));
});

test('what comes back is before what is later of its key, and what has no key keeps no order', (t) => {
  const { queue, take } = queueOf([0n, 'low', 'a'], [1n, 'high', 'a'], [2n, 'low'], [3n, 'high']);
  t.is(take('low'), 'r0');
  t.true(queue.back(0n));
  t.false(queue.back(0n));
  t.is(take('high'), 'r3');
  t.is(take('high'), undefined);
  t.deepEqual([take('low'), take('low')], ['r0', 'r2']);
});

type Step =
  | { readonly do: 'add'; readonly key: number; readonly priority: number; readonly known: boolean }
  | { readonly do: 'know' | 'take' | 'done' | 'back'; readonly which: number };

const nat = fc.nat(12);
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('add' as const),
        key: fc.nat(4),
        priority: fc.nat(2),
        known: fc.boolean(),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constantFrom('know' as const, 'take' as const, 'done' as const, 'back' as const),
        which: nat,
      }),
    },
  ),
  { maxLength: 80 },
);

interface Seen {
  readonly offset: bigint;
  readonly key: string | undefined;
  readonly priority: Priority;
  state: 'unknown' | 'waits' | 'underWay' | 'done';
}

/** Against a list that is searched from its beginning each time. */
function play(all: readonly Step[]): void {
  const queue = new LaneQueue<Seen>();
  const list: Seen[] = [];
  const underWay = () => list.filter(({ state }) => state === 'underWay');
  /** Earlier ones of its key that keep it waiting on the way of its priority. */
  const before = (one: Seen) =>
    list.filter(
      (other) =>
        one.key !== undefined &&
        other.key === one.key &&
        other.offset < one.offset &&
        (other.state === 'unknown' ||
          other.state === 'waits' ||
          (other.state === 'underWay' && other.priority !== one.priority)),
    );
  for (const step of all) {
    if (step.do === 'add') {
      const one: Seen = {
        offset: BigInt(list.length),
        key: step.key === 0 ? undefined : `k${step.key}`,
        priority: PRIORITIES[step.priority]!,
        state: step.known ? 'waits' : 'unknown',
      };
      list.push(one);
      queue.add(one, one.offset, one.key, step.known ? one.priority : undefined);
    } else if (step.do === 'know') {
      const entry = queue.unknown;
      if (entry?.item !== list.find(({ state }) => state === 'unknown'))
        throw new Error('another is unknown');
      if (!entry) continue;
      queue.know(entry, entry.item.priority);
      entry.item.state = 'waits';
    } else if (step.do === 'take') {
      const priority = PRIORITIES[step.which % 3]!;
      const entry = queue.take(priority);
      if (entry && queue.goes(entry, priority)) {
        const one = entry.item;
        const first = list.find(
          (other) => other.state === 'waits' && other.priority === priority && before(other).length === 0,
        );
        if (first !== one) throw new Error(`${one.offset} went, and ${first?.offset} was before it`);
        one.state = 'underWay';
      } else if (!entry) {
        const missed = list.find(
          (other) => other.state === 'waits' && other.priority === priority && before(other).length === 0,
        );
        if (missed) throw new Error(`${missed.offset} could go, and was not taken`);
      }
    } else {
      const some = underWay();
      const one = some[step.which % Math.max(1, some.length)];
      if (!one) continue;
      one.state = step.do === 'done' ? 'done' : 'waits';
      if (step.do === 'done') queue.done(one.offset);
      else queue.back(one.offset);
    }
    const waiting = list.filter(({ state }) => state === 'waits' || state === 'unknown').length;
    if (queue.size !== waiting) throw new Error(`${queue.size} wait, and should be ${waiting}`);
  }
}

test('over any interleaving: by priority and offset, never past an earlier one of the key, nothing lost or twice', (t) => {
  fc.assert(fc.property(steps, play), { numRuns: 3_000 });
  t.pass();
});
