import test from 'ava';
import { QueueAdmission } from '../../bridge/admission/admission.js';
import { RouteHolds, type HoldScope } from '../../bridge/admission/route-holds.js';
import { FaultJudge } from '../../bridge/delivery/fault-judge.js';
import { BridgeError } from '../../bridge/errors.js';
import { KeyPriorities } from '../../bridge/intake/key-priorities.js';
import type { MappedRecord } from '../../bridge/intake/mapped-record.js';
import { PartitionLane, type LaneStages } from '../../bridge/intake/partition-lane.js';
import type { SourceRecord } from '../../bridge/record.js';
import { Shaping } from '../../bridge/shaping/shaping.js';
import { fakeClock, turn } from '../helpers/doubles/clock.js';
import { deliverable, filtered, poison, routeOf, sourceRecord } from '../helpers/doubles/mapped-records.js';
import { Notes } from '../helpers/doubles/observer.js';
import { ManualDelivery } from './intake-doubles.js';

const ROUTES = { placed: routeOf({ id: 'placed' }), paid: routeOf({ id: 'paid' }) };
const PLACED: HoldScope = { topic: 'orders', routeId: 'placed' };

function setup(
  map: (record: SourceRecord) => Promise<MappedRecord> = async (record) => deliverable({ source: record }),
) {
  const delivery = new ManualDelivery();
  const holds = new RouteHolds({ quarantineLimit: undefined, foreignLimit: 20, idPrefix: '' });
  const admission = new QueueAdmission(1000);
  const notes = new Notes();
  const troubles: string[] = [];
  const mapped: bigint[] = [];
  const stages: LaneStages = {
    map: (record) => {
      mapped.push(record.offset);
      return map(record);
    },
    priorityOf: () => 'medium',
    shaping: new Shaping([]),
    keyPriorities: new KeyPriorities(),
    mapJudge: new FaultJudge(),
    holds,
    admission,
    delivery,
    observer: notes,
    onTrouble: (record, message) => troubles.push(`${record.offset} ${message}`),
  };
  const abort = new AbortController();
  const lane = () => new PartitionLane(stages, abort.signal);
  return { delivery, holds, admission, notes, troubles, mapped, abort, stages, lane };
}

const at = (offset: bigint, fields: Partial<SourceRecord> = {}): SourceRecord =>
  sourceRecord({ offset, ...fields });
const hold = (holds: RouteHolds, scope = PLACED): void =>
  holds.hold({ scope, reason: 'operator', message: 'by hand', since: 0 });

test('records are handed on in the order of the log, without waiting for one another', async (t) => {
  const { lane, delivery } = setup();
  const it = lane();
  for (const offset of [0n, 1n, 2n]) it.push(at(offset));
  await turn(3);
  t.deepEqual(delivery.offsets, [0n, 1n, 2n]);
  t.is(delivery.held.length, 3);
  t.is(it.waiting, 0);
});

test('one record is decoded at a time, and none before there is a permit for the last', async (t) => {
  const { lane, delivery, admission, mapped } = setup();
  admission.setLimit(2);
  const it = lane();
  for (let offset = 0n; offset < 6n; offset++) it.push(at(offset));
  await turn(3);
  t.deepEqual(delivery.offsets, [0n, 1n]);
  t.deepEqual(mapped, [0n, 1n, 2n]);
  t.is(it.waiting, 3);
  delivery.settle();
  await turn(3);
  t.deepEqual(delivery.offsets, [0n, 1n, 2n]);
});

test('a held route blocks its own partition at its first record, and no other one', async (t) => {
  const map = async (record: SourceRecord) =>
    deliverable({ source: record, route: record.offset === 1n ? ROUTES.placed : ROUTES.paid });
  const { lane, delivery, holds } = setup(map);
  hold(holds);
  const [held, other] = [lane(), lane()];
  for (const offset of [0n, 1n, 2n]) held.push(at(offset));
  for (const offset of [10n, 11n]) other.push(at(offset, { partition: 1 }));
  await turn(5);
  t.deepEqual(
    delivery.offsets.toSorted((a, b) => Number(a - b)),
    [0n, 10n, 11n],
  );
  t.is(held.blockedBy, 'by hand');
  t.is(held.waiting, 2);
  t.is(other.blockedBy, undefined);
  holds.lift(PLACED);
  await turn(5);
  t.deepEqual(delivery.offsets.slice(3), [1n, 2n]);
  t.is(held.blockedBy, undefined);
});

test('a route that is held while its record waits for a permit gets none: it is free for others, and the record waits on', async (t) => {
  const { lane, delivery, holds, admission } = setup();
  admission.hold('lease');
  const it = lane();
  it.push(at(0n));
  await turn(3);
  t.is(admission.state().waiting, 1);
  hold(holds); // as by the lease that brings slots
  admission.lift('lease');
  await turn(3);
  t.deepEqual(delivery.offsets, []);
  t.like(admission.state(), { inFlight: 0, waiting: 0 });
  holds.lift(PLACED);
  await turn(3);
  t.deepEqual(delivery.offsets, [0n]);
});

test('what waits so ends with the signal', async (t) => {
  const { lane, delivery, holds, admission, troubles, abort } = setup();
  admission.hold('lease');
  lane().push(at(0n));
  await turn(3);
  hold(holds);
  admission.lift('lease');
  await turn(3);
  abort.abort();
  await turn(3);
  t.deepEqual([delivery.offsets, troubles], [[], []]);
  t.is(admission.state().inFlight, 0);
});

test('lifted and held again before the lane looked, it waits on', async (t) => {
  const { lane, delivery, holds } = setup();
  hold(holds);
  const it = lane();
  it.push(at(0n));
  await turn(3);
  holds.lift(PLACED);
  hold(holds);
  await turn(3);
  t.deepEqual(delivery.offsets, []);
  holds.lift(PLACED);
  await turn(3);
  t.deepEqual(delivery.offsets, [0n]);
});

test("a lift of another route changes nothing for it, and its topic's hold stops it too", async (t) => {
  const { lane, delivery, holds } = setup();
  hold(holds);
  hold(holds, { topic: 'orders', routeId: undefined });
  const it = lane();
  it.push(at(0n));
  await turn(3);
  holds.lift(PLACED);
  await turn(3);
  t.deepEqual(delivery.offsets, []);
  holds.lift({ topic: 'orders', routeId: undefined });
  await turn(3);
  t.deepEqual(delivery.offsets, [0n]);
});

test('after the wait a record is mapped again: it may have another route', async (t) => {
  let route = ROUTES.placed;
  const { lane, delivery, holds, mapped } = setup(async (record) => deliverable({ source: record, route }));
  hold(holds);
  const it = lane();
  it.push(at(0n));
  await turn(3);
  route = ROUTES.paid;
  holds.lift({ topic: 'elsewhere', routeId: undefined });
  await turn(3);
  t.deepEqual(mapped, [0n, 0n]);
  t.is(delivery.handed[0]?.route?.id, 'paid');
});

test('a record that is passed by needs nothing of its held route', async (t) => {
  const { lane, delivery, holds } = setup(async (record) => filtered(record));
  hold(holds);
  lane().push(at(0n));
  await turn(3);
  t.deepEqual(delivery.offsets, [0n]);
});

test('what is put back goes to its place in the order of the log', async (t) => {
  const { lane, delivery, holds } = setup();
  hold(holds);
  const it = lane();
  for (const offset of [5n, 6n, 7n]) it.push(at(offset));
  await turn(3);
  for (const offset of [4n, 2n, 9n, 3n]) it.putBack(at(offset));
  holds.lift(PLACED);
  await turn(10);
  t.deepEqual(delivery.offsets, [2n, 3n, 4n, 5n, 6n, 7n, 9n]);
});

test('priority and route go to the admission; what has none is medium', async (t) => {
  const kinds: readonly MappedRecord[] = [
    { ...deliverable({ source: { offset: 0n } }), priority: 'high' },
    poison({ source: { offset: 1n } }),
  ];
  const { stages, abort, admission } = setup(async (record) => kinds[Number(record.offset)]!);
  const asked: unknown[] = [];
  const it = new PartitionLane(
    {
      ...stages,
      admission: {
        acquire: (options) => {
          asked.push([options.priority, options.route, options.weight]);
          return admission.acquire(options);
        },
      },
    },
    abort.signal,
  );
  it.push(at(0n));
  it.push(at(1n));
  await turn(5);
  t.deepEqual(asked, [
    ['high', 'placed', 1],
    ['medium', '', 1],
  ]);
});

test('after the signal nothing is handed on, whatever it waited for', async (t) => {
  const { lane, delivery, admission, holds, abort, mapped } = setup();
  admission.hold('circuit');
  const [waiting, held, idle] = [lane(), lane(), lane()];
  waiting.push(at(0n));
  hold(holds);
  held.push(at(1n));
  await turn(3);
  abort.abort();
  const before = mapped.length;
  admission.lift('circuit');
  holds.lift(PLACED);
  idle.push(at(2n));
  await turn(5);
  t.deepEqual(delivery.offsets, []);
  t.is(mapped.length, before);
  t.like(admission.state(), { inFlight: 0, waiting: 0 });
});

const registryAway = (): BridgeError =>
  new BridgeError('KTB_RECORD', 'the registry is away', { retryable: true });

test.serial(
  'a schema registry that is away is waited out, and nothing is lost, passed by or reordered',
  async (t) => {
    using clock = fakeClock();
    let isAway = true;
    const { lane, delivery, troubles } = setup(async (record) => {
      if (isAway) throw registryAway();
      return deliverable({ source: record });
    });
    const it = lane();
    for (const offset of [0n, 1n, 2n]) it.push(at(offset));
    await clock.advance(10 * 60_000);
    t.deepEqual(delivery.offsets, []);
    t.is(it.blockedBy, 'the registry is away');
    t.true(troubles.length >= 2 && troubles.length < 30, `${troubles.length} lines in ten minutes`);
    isAway = false;
    await clock.advance(5_000);
    t.deepEqual(delivery.offsets, [0n, 1n, 2n]);
    t.true(delivery.handed.every(({ kind }) => kind === 'deliver'));
    t.is(it.blockedBy, undefined);
  },
);

test.serial('a record alone on its partition waits for the registry as long as it takes', async (t) => {
  using clock = fakeClock();
  const { lane, delivery } = setup(() => Promise.reject(registryAway()));
  lane().push(at(0n));
  await clock.advance(10 * 60_000);
  t.deepEqual(delivery.offsets, []);
});

test.serial(
  'the one record that its decoder fails for, while the next one passes, goes into quarantine',
  async (t) => {
    using clock = fakeClock();
    const { lane, delivery } = setup(async (record) => {
      if (record.offset === 0n) throw registryAway();
      return deliverable({ source: record });
    });
    const it = lane();
    for (const offset of [0n, 1n]) it.push(at(offset));
    await clock.advanceUntil(() => delivery.handed.length === 2, 60_000);
    t.deepEqual(delivery.offsets, [0n, 1n]);
    t.like(delivery.handed[0], {
      kind: 'quarantine',
      reason: 'undecodable',
      message: 'the registry is away',
      route: undefined,
    });
    t.is(delivery.handed[1]?.kind, 'deliver');
  },
);

test.serial('the signal ends the wait for the registry', async (t) => {
  using clock = fakeClock();
  const { lane, delivery, mapped, abort } = setup(() => Promise.reject(registryAway()));
  lane().push(at(0n));
  await clock.advance(1_000);
  abort.abort();
  const before = mapped.length;
  await clock.advance(60_000);
  t.is(mapped.length, before);
  t.deepEqual(delivery.offsets, []);
});

test.serial('a delivery that throws gives its record back after a while, and says so', async (t) => {
  using clock = fakeClock();
  const { stages, abort, notes, troubles } = setup();
  let fail = true;
  const delivery: LaneStages['delivery'] = {
    commitOn: 'accepted',
    deliver: async (records, permit, observer) => {
      permit.release('faulted');
      if (fail) throw new Error('a bug');
      for (const record of records) observer.accepted(record);
    },
  };
  new PartitionLane({ ...stages, delivery }, abort.signal).push(at(0n));
  await clock.advance(4_900);
  t.deepEqual(troubles, ['0 could not be delivered; it is tried again']);
  t.is(notes.count('returned'), 0, 'not at once: it would spin');
  await clock.advance(100);
  t.is(notes.count('returned'), 1);
  fail = false;
});

test.serial('a defect in between keeps the record, and tries again', async (t) => {
  using clock = fakeClock();
  const { stages, abort, delivery, admission, troubles } = setup();
  let fail = true;
  const acquire: LaneStages['admission']['acquire'] = (options) =>
    fail ? Promise.reject(new Error('a bug')) : admission.acquire(options);
  const it = new PartitionLane({ ...stages, admission: { acquire } }, abort.signal);
  it.push(at(0n));
  it.push(at(1n));
  await clock.advance(12_000);
  t.deepEqual(delivery.offsets, []);
  t.is(troubles.length, 3);
  fail = false;
  await clock.advance(5_000);
  t.deepEqual(delivery.offsets, [0n, 1n]);
});
