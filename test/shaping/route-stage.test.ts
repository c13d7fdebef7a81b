/** Routes that hold records: what their lanes do meanwhile, what conflation starts, and how a drain ends. */
import test from 'ava';
import { QueueAdmission } from '../../bridge/admission/admission.js';
import type { Route } from '../../bridge/config/types.js';
import { headerPriority } from '../../bridge/intake/record-priority.js';
import { Committer } from '../../bridge/intake/committer.js';
import { Shaping } from '../../bridge/shaping/shaping.js';
import type { SourceRecord } from '../../bridge/record.js';
import { turn } from '../helpers/doubles/clock.js';
import { deliverable, routeOf } from '../helpers/doubles/mapped-records.js';
import { intakeOf, ManualDelivery, P0, P1 } from '../intake/intake-doubles.js';

/** Records with the value `free` go to a route without a stage, all others to one with these fields. */
function setup(fields: Partial<Route>, limit = 1) {
  const staged = routeOf({ id: 'staged', ...fields });
  const free = routeOf({ id: 'free' });
  const shaping = new Shaping([staged, free]);
  const admission = new QueueAdmission(limit);
  const delivery = new ManualDelivery();
  const outcomes = new Map<bigint, string>();
  const it = intakeOf({
    delivery,
    admission,
    shaping,
    map: async (record) => ({
      ...deliverable({ source: record, route: record.value?.toString() === 'free' ? free : staged }),
      priority: headerPriority(record.headers) ?? 'medium',
    }),
    priorityOf: ({ headers }) => headerPriority(headers) ?? 'medium',
    onSettled: ({ source }, outcome) => outcomes.set(source.offset, outcome),
  });
  const committer = new Committer({ source: it.source, intake: it.intake, intervalMs: 1 });
  const commit = async () => {
    await committer.flush();
    await turn(3);
  };
  it.source.produce(P0, 0);
  it.source.produce(P1, 0);
  it.source.assign([P0, P1]);
  const produce = async (key: string | null, count = 1, others: Partial<SourceRecord> = {}, at = P0) => {
    it.source.produce(at, count, { key: key === null ? null : Buffer.from(key), ...others });
    await it.poll();
    await turn(count);
  };
  return { ...it, delivery, admission, shaping, outcomes, commit, produce };
}

const LOW = { headers: { priority: Buffer.from('low') } };
const HIGH = { headers: { priority: Buffer.from('high') } };
const FREE = { value: Buffer.from('free') };
const DEMAND = { buffer: 4, step: 2, resumeBelow: 2 };

test('a route holds no more than its buffer, and a lane whose head it has not asked for waits and says so', async (t) => {
  const { produce, admission, shaping, state, delivery } = setup({ demand: DEMAND });
  admission.hold('circuit');
  await produce('a', 10);
  t.is(shaping.heldOf('staged'), 4);
  t.is(state()?.blockedBy, 'route `staged` holds 4 records and asks for none (`demand`)');
  t.is(state()?.waiting, 5, 'and one is at the head');
  admission.lift('circuit');
  await turn(3);
  while (delivery.held.length > 0) {
    delivery.settle();
    await turn(3);
    t.true(shaping.heldOf('staged')! <= 4);
  }
  t.is(delivery.handed.length, 10);
  t.is(state()?.blockedBy, undefined);
  t.is(shaping.heldOf('staged'), 0);
});

test('while a route holds what it asked for, others of its partition pass', async (t) => {
  const { produce, holds, delivery } = setup({ demand: DEMAND }, 10);
  const scope = { topic: 'orders', routeId: 'staged' };
  await produce('a', 2);
  t.deepEqual(delivery.offsets, [0n, 1n]);
  holds.hold({ scope, reason: 'operator', message: 'by hand', since: 0 });
  await produce('b', 1);
  await produce('c', 1, FREE);
  t.deepEqual(delivery.offsets, [0n, 1n], 'a lane waits at the first record of a held route');
  holds.lift(scope);
  await turn(5);
  t.deepEqual(delivery.offsets, [0n, 1n, 2n, 3n]);
});

test('a low one that its route has not asked for is not overtaken by a high one of its key', async (t) => {
  const { produce, admission, delivery } = setup({ demand: DEMAND }, 1);
  admission.hold('circuit');
  await produce('b', 4, LOW);
  await produce('a', 1, LOW);
  await produce('a', 1, HIGH);
  admission.lift('circuit');
  await turn(3);
  while (delivery.held.length > 0) {
    delivery.settle();
    await turn(3);
  }
  t.deepEqual(delivery.offsets, [0n, 1n, 2n, 3n, 4n, 5n]);
});

test('all partitions serve one demand', async (t) => {
  const { produce, admission, shaping, state } = setup({ demand: DEMAND });
  admission.hold('circuit');
  await produce('a', 3);
  await produce('b', 3, {}, P1);
  t.is(shaping.heldOf('staged'), 4);
  t.truthy(state(P1)?.blockedBy);
});

test('a record of another route of the same key waits for the one that its route holds', async (t) => {
  const { produce, admission, delivery } = setup({ demand: DEMAND }, 10);
  admission.hold('circuit');
  await produce('a');
  await produce('a', 1, FREE);
  await produce('b', 1, FREE);
  admission.lift('circuit');
  await turn(5);
  t.deepEqual(
    [...delivery.offsets].sort((a, b) => Number(a - b)),
    [0n, 2n],
  );
  delivery.settle(delivery.ofOffset(0n));
  await turn(5);
  t.is(delivery.offsets.at(-1), 1n);
});

test('what a lost partition held weighs no more on the route', async (t) => {
  const { produce, admission, shaping, source } = setup({ demand: DEMAND });
  admission.hold('circuit');
  await produce('a', 4);
  source.assign([P1]);
  await turn(3);
  t.is(shaping.heldOf('staged'), 0);
  t.like(admission.state(), { waiting: 0 });
});

test('of a key that waits only the latest is started, and the others are conflated and committed', async (t) => {
  const { produce, admission, delivery, outcomes, commit, source } = setup({ conflate: 'latest-by-key' });
  admission.hold('circuit');
  await produce('a', 3);
  await produce('b', 1);
  await produce(null, 2);
  await produce('a', 2);
  await commit();
  t.is(source.committedOf(P0), 3n, 'below what waits everything is done');
  admission.lift('circuit');
  await turn(5);
  while (delivery.held.length > 0) {
    delivery.settle();
    await commit();
  }
  t.deepEqual(
    [...outcomes].sort(([a], [b]) => Number(a - b)).map(([, outcome]) => outcome),
    ['conflated', 'conflated', 'conflated', 'started', 'started', 'started', 'conflated', 'started'],
  );
  t.is(source.committedOf(P0), 8n);
});

test('what superseded others is not started before their commit has succeeded', async (t) => {
  const { produce, delivery, commit, source } = setup({ conflate: 'latest-by-key' }, 10);
  await produce('a', 3);
  t.deepEqual(delivery.offsets, []);
  source.refuseCommits = new Error('ILLEGAL_GENERATION');
  await commit();
  await commit();
  t.deepEqual(delivery.offsets, []);
  source.refuseCommits = undefined;
  await commit();
  t.deepEqual(delivery.offsets, [2n]);
});

test('a later record of a key waits until Temporal has the earlier one', async (t) => {
  const { produce, delivery, commit } = setup({ conflate: 'latest-by-key' }, 10);
  await produce('a');
  await commit();
  await produce('a');
  await commit();
  t.deepEqual(delivery.offsets, [0n]);
  delivery.settle();
  await commit();
  t.deepEqual(delivery.offsets, [0n, 1n]);
});

test('a key that changes faster than commits succeed is started all the same', async (t) => {
  const { produce, delivery, commit } = setup({ conflate: 'latest-by-key' }, 10);
  for (let round = 0; round < 20; round++) {
    await produce('a', 2);
    await commit();
    for (const held of Array.from(delivery.held)) delivery.settle(held);
    await turn(3);
  }
  t.true(delivery.handed.length >= 5, `${delivery.handed.length} were started`);
  t.deepEqual(
    delivery.offsets,
    [...delivery.offsets].sort((a, b) => Number(a - b)),
  );
});

test('a record has the place of the one that it supersedes', async (t) => {
  const { produce, admission, delivery, commit } = setup({ conflate: 'latest-by-key' }, 1);
  admission.hold('circuit');
  for (const key of ['a', 'b', 'c', 'a']) await produce(key);
  await commit();
  admission.lift('circuit');
  await turn(3);
  while (delivery.held.length > 0) {
    delivery.settle();
    await commit();
  }
  t.deepEqual(delivery.offsets, [3n, 1n, 2n]);
});

test('what others may have started before us is not superseded', async (t) => {
  const { produce, delivery, commit, source } = setup({ conflate: 'latest-by-key' }, 10);
  source.assign([]);
  source.produce(P0, 3, { key: Buffer.from('a') });
  source.setCommitted(P0, 0n, '{"ktb":1,"name":"orders","reach":"2"}');
  source.assign([P0]);
  await produce('a', 1);
  for (let round = 0; round < 6; round++) {
    for (const held of Array.from(delivery.held)) delivery.settle(held);
    await turn(3);
    await commit();
  }
  t.deepEqual(delivery.offsets, [0n, 1n, 3n]);
});

test('nor what a bridge that said nothing of its reach may have started', async (t) => {
  const { delivery, source, poll } = setup({ conflate: 'latest-by-key' }, 10);
  source.assign([]);
  source.produce(P0, 3, { key: Buffer.from('a') });
  source.setCommitted(P0, 0n, '{"ktb":1,"name":"orders"}');
  source.assign([P0]);
  await poll();
  for (let round = 0; round < 4; round++) {
    for (const held of Array.from(delivery.held)) delivery.settle(held);
    await turn(3);
  }
  t.deepEqual(delivery.offsets, [0n, 1n, 2n]);
});

test('a drain finishes what routes hold, and takes nothing more of what waits', async (t) => {
  const { produce, intake, admission, delivery, shaping } = setup({ demand: DEMAND }, 1);
  admission.hold('circuit');
  await produce('a', 10);
  admission.lift('circuit');
  await turn(3);
  const drained = intake.drain(10_000);
  for (let round = 0; round < 10; round++) {
    for (const held of Array.from(delivery.held)) delivery.settle(held);
    await turn(3);
  }
  await drained;
  t.true(
    delivery.handed.length >= 4 && delivery.handed.length <= 5,
    `${delivery.handed.length} were handed over`,
  );
  t.is(shaping.heldOf('staged'), 0);
});

test('a drain gives back what it has no time for', async (t) => {
  const { produce, intake, admission, delivery, shaping, state } = setup({ demand: DEMAND }, 1);
  admission.hold('circuit');
  await produce('a', 4);
  await intake.drain(50);
  t.deepEqual(delivery.offsets, []);
  t.is(shaping.heldOf('staged'), 0);
  t.is(state()?.incomplete, 4);
});

test('what a delivery gives back is held again, and goes again', async (t) => {
  const { produce, delivery, shaping, commit } = setup({ conflate: 'latest-by-key' }, 10);
  await produce('a');
  await commit();
  delivery.giveBack();
  await turn(3);
  t.deepEqual(delivery.offsets, [0n, 0n]);
  delivery.settle();
  t.is(shaping.heldOf('staged'), 0);
});
