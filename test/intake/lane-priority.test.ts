/** What of a mixed partition goes first. */
import { setMaxListeners } from 'node:events';
import test from 'ava';
import { QueueAdmission, type AcquireOptions } from '../../bridge/admission/admission.js';
import { RouteHolds } from '../../bridge/admission/route-holds.js';
import type { Priority } from '../../bridge/config/types.js';
import { FaultJudge } from '../../bridge/delivery/fault-judge.js';
import { KeyPriorities } from '../../bridge/intake/key-priorities.js';
import { PartitionLane, type LaneStages } from '../../bridge/intake/partition-lane.js';
import type { SourceRecord } from '../../bridge/record.js';
import { Shaping } from '../../bridge/shaping/shaping.js';
import { turn } from '../helpers/doubles/clock.js';
import { deliverable, routeOf, sourceRecord } from '../helpers/doubles/mapped-records.js';
import { Notes } from '../helpers/doubles/observer.js';
import { ManualDelivery } from './intake-doubles.js';

const ROUTES: Readonly<Record<Priority, ReturnType<typeof routeOf>>> = {
  high: routeOf({ id: 'high' }),
  medium: routeOf({ id: 'medium' }),
  low: routeOf({ id: 'low' }),
};

/** A lane whose records say their priority in their value; `told` says for which that is known without decoding. */
function setup(options: { limit?: number; told?: (offset: bigint) => boolean } = {}) {
  const delivery = new ManualDelivery();
  const admission = new QueueAdmission(options.limit ?? 1);
  const holds = new RouteHolds({ quarantineLimit: undefined, foreignLimit: 20, idPrefix: '' });
  const notes = new Notes();
  const asked: AcquireOptions[] = [];
  const decoded: bigint[] = [];
  const abort = new AbortController();
  setMaxListeners(0, abort.signal);
  const priorityOf = ({ value }: SourceRecord) => value!.toString() as Priority;
  const stages: LaneStages = {
    map: async (record) => {
      decoded.push(record.offset);
      const priority = priorityOf(record);
      return { ...deliverable({ source: record, route: ROUTES[priority] }), priority };
    },
    priorityOf: (record) => ((options.told ?? (() => true))(record.offset) ? priorityOf(record) : undefined),
    mapJudge: new FaultJudge(),
    holds,
    shaping: new Shaping([]),
    keyPriorities: new KeyPriorities(),
    admission: {
      acquire: (one) => {
        asked.push(one);
        return admission.acquire(one);
      },
    },
    delivery,
    observer: {
      accepted: (record) => notes.accepted(record),
      settled: (record, settlement) => notes.settled(record, settlement),
      returned: (record) => lane.putBack(record.source),
    },
    onTrouble: (_record, message) => {
      throw new Error(message);
    },
  };
  const lane: PartitionLane = new PartitionLane(stages, abort.signal);
  let next = 0n;
  const push = (priority: Priority, key?: string, count = 1) => {
    for (let index = 0; index < count; index++) {
      const bytes = key === undefined ? null : Buffer.from(key);
      lane.push(sourceRecord({ offset: next++, key: bytes, value: Buffer.from(priority) }));
    }
  };
  return { lane, push, delivery, admission, holds, asked, decoded, notes, abort };
}

const prioritiesOf = ({ handed }: ManualDelivery): readonly (Priority | undefined)[] =>
  handed.map((record) => (record.kind === 'deliver' ? record.priority : undefined));

test('a high one goes before all the low ones that wait, though one of these has asked for its permit', async (t) => {
  const { push, delivery } = setup();
  push('low', undefined, 200);
  await turn(3);
  t.deepEqual(delivery.offsets, [0n]);
  push('high');
  push('medium');
  push('high');
  await turn(3);
  for (let count = 0; count < 4; count++) {
    delivery.settle();
    await turn(3);
  }
  t.deepEqual(prioritiesOf(delivery), ['low', 'high', 'high', 'medium', 'low']);
});

for (const told of [false, true]) {
  const how = told ? 'its header tells' : 'only its event tells';
  test(`where ${how} the priority, nothing low is asked for while a high one could be`, async (t) => {
    const { push, delivery, asked } = setup({ limit: 4, told: () => told });
    push('low', undefined, 30);
    push('high', undefined, 10);
    push('low', undefined, 30);
    await turn(20);
    while (delivery.held.length > 0) {
      delivery.settle();
      await turn(5);
    }
    t.is(delivery.handed.length, 70);
    const order = asked.map(({ priority }) => priority);
    const lowBefore = order.slice(0, order.lastIndexOf('high')).filter((one) => one === 'low').length;
    // Those that had their permits before, and one that waits for its own.
    t.true(lowBefore <= (told ? 5 : 15), `${lowBefore} low ones were asked for before the last high one`);
  });
}

test('what only the event tells is read ahead, and few events are kept for that', async (t) => {
  const { push, delivery, decoded, admission } = setup({ told: () => false });
  admission.hold('circuit');
  push('low', undefined, 50);
  await turn(60);
  t.is(decoded.length, 50, 'each once');
  push('high');
  await turn(3);
  admission.lift('circuit');
  await turn(3);
  t.deepEqual(prioritiesOf(delivery), ['high']);
  while (delivery.held.length > 0) {
    delivery.settle();
    await turn(3);
  }
  t.true(decoded.length <= 51 + 50 - 8 + 3, `${decoded.length} were decoded`);
});

test('a high one of a key waits for the low one before it, also while that is delivered', async (t) => {
  const { push, delivery } = setup({ limit: 10 });
  push('low', 'a');
  push('high', 'a');
  push('high', 'b');
  await turn(5);
  t.deepEqual(
    [...delivery.offsets].sort((a, b) => Number(a - b)),
    [0n, 2n],
  );
  delivery.settle(delivery.ofOffset(0n));
  await turn(3);
  t.deepEqual(delivery.offsets.at(-1), 1n);
});

test('and it is started with no higher priority than the one before it', async (t) => {
  const { push, delivery } = setup({ limit: 10 });
  push('low', 'a');
  await turn(3);
  delivery.settle();
  push('high', 'a');
  push('high', 'b');
  await turn(3);
  t.deepEqual(prioritiesOf(delivery), ['low', 'low', 'high']);
});

test('what has no record key is kept in order by its idempotency key', async (t) => {
  const { lane, delivery } = setup({ limit: 10 });
  const headers = { 'idempotency-key': Buffer.from('one') };
  lane.push(sourceRecord({ offset: 0n, headers, value: Buffer.from('low') }));
  lane.push(sourceRecord({ offset: 1n, headers, value: Buffer.from('high') }));
  await turn(3);
  t.deepEqual(delivery.offsets, [0n]);
});

test('a low one that was given back goes before a later high one of its key', async (t) => {
  const { push, delivery } = setup({ limit: 10 });
  push('low', 'a');
  push('high', 'a');
  await turn(3);
  delivery.giveBack();
  await turn(3);
  t.deepEqual(delivery.offsets, [0n, 0n]);
  delivery.settle();
  await turn(3);
  t.deepEqual(delivery.offsets, [0n, 0n, 1n]);
});

test('a held route holds its own priority only', async (t) => {
  const { lane, push, delivery, holds } = setup({ limit: 10 });
  const scope = { topic: 'orders', routeId: 'high' };
  holds.hold({ scope, reason: 'operator', message: 'by hand', since: 0 });
  push('high');
  push('low');
  await turn(5);
  t.deepEqual(prioritiesOf(delivery), ['low']);
  t.is(lane.blockedBy, 'by hand');
  holds.lift(scope);
  await turn(5);
  t.deepEqual(prioritiesOf(delivery), ['low', 'high']);
});

test('the permit is asked for with the workflow type that its record starts', async (t) => {
  const { push, asked } = setup();
  push('medium');
  await turn(3);
  t.like(asked[0], { priority: 'medium', route: 'medium', workflowType: 'nobodyRunsThis', weight: 1 });
});
