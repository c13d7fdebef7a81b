import test from 'ava';
import { createHash } from 'node:crypto';
import type { QuarantineInput } from '../../workflows/contract.js';
import type { MappedRecord } from '../../bridge/intake/mapped-record.js';
import type { WorkflowDelivery } from '../../bridge/delivery/workflow-delivery.js';
import { startRequestId } from '../../bridge/temporal/ids.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { fakeClock, turn } from '../helpers/doubles/clock.js';
import { deliverable, poison, routeOf, SCOPE } from '../helpers/doubles/mapped-records.js';
import { CountedPermit, Notes } from '../helpers/doubles/observer.js';
import { TemporalDouble } from '../helpers/doubles/temporal-double.js';
import { deliveryContract } from './delivery-contract.js';
import { workflowDelivery } from './delivery-doubles.js';

deliveryContract(test, async () => {
  const port = new TemporalDouble();
  return { delivery: workflowDelivery(port).delivery, port, finish: () => undefined };
});

const { signal } = new AbortController();

async function deliver(delivery: WorkflowDelivery, all: readonly MappedRecord[]): Promise<Notes> {
  const notes = new Notes();
  await delivery.deliver(all, new CountedPermit(all.length), notes, signal);
  return notes;
}

const isQuarantine = (id: string): boolean => id.includes('/quarantine/');

test('a redelivered record starts nothing, and counts as started again', async (t) => {
  const port = new TemporalDouble();
  const record = deliverable();
  for (let round = 0; round < 3; round++) {
    const { delivery } = workflowDelivery(port);
    t.deepEqual((await deliver(delivery, [record])).outcomes([record]), ['started']);
  }
  t.is(port.executions.size, 1);
});

test('the same key and value again is a duplicate, another value a conflict in quarantine', async (t) => {
  const port = new TemporalDouble();
  const { delivery } = workflowDelivery(port);
  const first = deliverable({ key: 'k', source: { offset: 0n } });
  const same = deliverable({ key: 'k', source: { offset: 1n, partition: 5 } });
  const other = deliverable({ key: 'k', source: { offset: 2n, value: Buffer.from('{"id":2}') } });
  await deliver(delivery, [first]);
  const notes = await deliver(delivery, [same, other]);
  t.deepEqual(notes.outcomes([same, other]), ['duplicate', 'conflict']);
  t.is(notes.settlements.get(same)?.workflowId, 'k');
  const [quarantine] = port.ofType('ktbQuarantine');
  t.is(notes.settlements.get(other)?.workflowId, quarantine?.request.workflowId);
  t.like(quarantine?.request.args[0], { reason: 'conflict', route: 'placed', offset: '2' });
  t.is(port.executions.size, 2);
});

test("with onConflict 'duplicate' another value is a duplicate, and nothing is quarantined", async (t) => {
  const port = new TemporalDouble();
  const { delivery } = workflowDelivery(port);
  const route = routeOf({ onConflict: 'duplicate' });
  await deliver(delivery, [deliverable({ key: 'k', route })]);
  const other = deliverable({ key: 'k', route, source: { offset: 1n, value: null } });
  t.deepEqual((await deliver(delivery, [other])).outcomes([other]), ['duplicate']);
  t.is(port.executions.size, 1);
});

test('records of one key go in the order of the log, others side by side', async (t) => {
  const port = new TemporalDouble();
  const { delivery } = workflowDelivery(port);
  port.answerLate();
  const all = [
    deliverable({ key: 'a', source: { offset: 0n } }),
    deliverable({ key: 'a', source: { offset: 1n } }),
    deliverable({ key: 'b', source: { offset: 2n } }),
  ];
  const delivered = deliver(delivery, all);
  await turn();
  t.deepEqual(
    port.calls.map(({ id }) => id),
    ['a', 'b'],
    'the second of a waits for the first',
  );
  port.answer();
  t.deepEqual((await delivered).outcomes(all), ['started', 'duplicate', 'started']);
});

test('the order of a key survives a fault of its first record', async (t) => {
  const port = new TemporalDouble();
  const { delivery } = workflowDelivery(port);
  port.fail({ times: 2, matching: (id) => id === 'a' });
  const all = [0n, 1n, 2n].map((offset) => deliverable({ key: 'a', source: { offset } }));
  t.deepEqual((await deliver(delivery, all)).outcomes(all), ['started', 'duplicate', 'duplicate']);
});

test('foreign keys go into quarantine; beyond twenty the records come back and wait', async (t) => {
  const port = new TemporalDouble();
  const other = workflowDelivery(port, { scope: { ...SCOPE, name: 'another' } });
  const all = Array.from({ length: 25 }, (_, index) => deliverable({ source: { offset: BigInt(index) } }));
  await deliver(other.delivery, all);
  const { delivery, holds } = workflowDelivery(port);
  const notes = await deliver(delivery, all);
  t.is(notes.outcomes(all).filter((outcome) => outcome === 'foreign').length, 20);
  t.is(notes.count('returned'), 5);
  t.is(port.ofType('ktbQuarantine').length, 20);
  t.is(holds.holdOf({ topic: 'orders', routeId: 'placed' })?.reason, 'foreign');
  t.deepEqual(notes.wrong, []);
});

test('a record that ends well between foreign ones keeps its route from being held', async (t) => {
  const port = new TemporalDouble();
  const other = workflowDelivery(port, { scope: { ...SCOPE, name: 'another' } });
  const foreign = Array.from({ length: 38 }, (_, index) =>
    deliverable({ source: { offset: BigInt(index) } }),
  );
  await deliver(other.delivery, foreign);
  const { delivery, holds } = workflowDelivery(port);
  await deliver(delivery, foreign.slice(0, 19));
  await deliver(delivery, [deliverable({ source: { offset: 100n } })]);
  const notes = await deliver(delivery, foreign.slice(19));
  t.is(notes.count('returned'), 0);
  t.deepEqual(holds.all, []);
});

test('an undecodable record stands in quarantine with its bytes, under its coordinates', async (t) => {
  const port = new TemporalDouble();
  const { delivery } = workflowDelivery(port);
  const record = poison({ source: { value: Buffer.from([0xff, 0xfe]), offset: 9n } });
  const notes = await deliver(delivery, [record]);
  t.deepEqual(notes.outcomes([record]), ['quarantined']);
  const [execution] = port.ofType('ktbQuarantine');
  t.is(execution?.request.workflowId, 'ktb/orders/quarantine/orders/0/9@1700000000000');
  t.is(execution?.request.taskQueue, 'orders-ktb');
  t.like(execution?.request.args[0], {
    raw: { value: '//4=' },
    reason: 'undecodable',
    message: 'it is not JSON',
  });
  const again = await deliver(delivery, [record]);
  t.deepEqual(again.outcomes([record]), ['quarantined']);
  t.is(port.executions.size, 1);
});

test('a value too large for Temporal is quarantined by coordinates, hash and the date until which Kafka has it', async (t) => {
  const port = new TemporalDouble();
  port.blobSizeLimitBytes = 20_000;
  const { delivery } = workflowDelivery(port, { keptUntil: async (topic, at) => `${topic} ${at}` });
  const value = Buffer.alloc(30_000, 'x');
  const record = deliverable({ event: value.toString(), source: { value } });
  const notes = await deliver(delivery, [record]);
  t.deepEqual(notes.outcomes([record]), ['quarantined']);
  const [execution] = port.ofType('ktbQuarantine');
  t.like(execution?.request.args[0] as QuarantineInput, {
    reason: 'oversized',
    raw: null,
    valueBytes: 30_000,
    valueSha256: createHash('sha256').update(value).digest('hex'),
    keptUntil: 'orders 1700000000000',
  });
});

test('an oversized event whose bytes still fit is quarantined whole', async (t) => {
  const port = new TemporalDouble();
  port.fail({
    matching: (id) => !isQuarantine(id),
    fault: () => new TemporalFault('oversized', 'too large'),
  });
  const { delivery } = workflowDelivery(port);
  const record = deliverable();
  await deliver(delivery, [record]);
  t.not((port.ofType('ktbQuarantine')[0]!.request.args[0] as QuarantineInput).raw, null);
});

test('where Kafka can not say until when it has a record, the quarantine goes without', async (t) => {
  const port = new TemporalDouble();
  port.blobSizeLimitBytes = 20_000;
  const { delivery } = workflowDelivery(port, {
    keptUntil: () => Promise.reject(new Error('Kafka is away')),
  });
  const record = deliverable({ event: 'x'.repeat(30_000), source: { value: Buffer.alloc(30_000) } });
  t.deepEqual((await deliver(delivery, [record])).outcomes([record]), ['quarantined']);
  t.is((port.ofType('ktbQuarantine')[0]!.request.args[0] as QuarantineInput).keptUntil, undefined);
});

test('what Temporal refuses for what it says is quarantined, with its words', async (t) => {
  const port = new TemporalDouble();
  port.fail({
    matching: (id) => !isQuarantine(id),
    fault: () => new TemporalFault('rejected', 'bad search attribute'),
  });
  const { delivery } = workflowDelivery(port);
  const record = deliverable();
  const notes = await deliver(delivery, [record]);
  t.like(notes.settlements.get(record), { outcome: 'quarantined', message: 'bad search attribute' });
  t.like(port.ofType('ktbQuarantine')[0]?.request.args[0], { reason: 'rejected', route: 'placed' });
});

test('onStarted is told of what may put a task on a queue, and of nothing else', async (t) => {
  const port = new TemporalDouble();
  let started = 0;
  const { delivery } = workflowDelivery(port, { onStarted: () => started++ });
  await deliver(delivery, [deliverable({ key: 'k' })]);
  t.is(started, 1);
  await deliver(delivery, [deliverable({ key: 'k', source: { offset: 1n } })]);
  t.is(started, 1, 'a duplicate');
  await deliver(delivery, [poison({ source: { offset: 2n } })]);
  t.is(started, 2);
  await deliver(delivery, [deliverable({ source: { offset: 3n }, notBeforeMs: Date.now() + 60_000 })]);
  t.is(started, 2, 'a delayed one puts a task there when it is due');
  await deliver(delivery, [deliverable({ source: { offset: 4n }, notBeforeMs: Date.now() - 60_000 })]);
  t.is(started, 3);
});

test('an expired record is settled with the reason, and starts nothing', async (t) => {
  const port = new TemporalDouble();
  const { delivery } = workflowDelivery(port);
  const { source, route } = deliverable();
  const record: MappedRecord = { kind: 'expired', source, route, message: 'too old' };
  const notes = await deliver(delivery, [record]);
  t.deepEqual(notes.settlements.get(record), { outcome: 'expired', message: 'too old' });
  t.is(port.calls.length, 0);
});

test.serial('a record that fails alone while others pass is quarantined', async (t) => {
  using clock = fakeClock();
  const port = new TemporalDouble();
  const { delivery } = workflowDelivery(port);
  port.fail({ times: Infinity, matching: (id) => id === 'bad' });
  const notes = new Notes();
  const bad = deliverable({ key: 'bad' });
  void delivery.deliver([bad], new CountedPermit(1), notes, signal);
  let offset = 1n;
  await clock.advanceUntil(() => {
    void delivery.deliver(
      [deliverable({ source: { offset: offset++ } })],
      new CountedPermit(1),
      notes,
      signal,
    );
    return notes.settlements.has(bad);
  }, 60_000);
  t.is(notes.settlements.get(bad)?.outcome, 'quarantined');
  t.is(port.ofType('ktbQuarantine').length, 1);
});

test.serial(
  'one record alone in an outage is never quarantined, also not when Temporal comes back',
  async (t) => {
    using clock = fakeClock();
    const port = new TemporalDouble();
    const { delivery } = workflowDelivery(port, { failures: 5 });
    port.fail({ times: Infinity, calls: ['start', 'backlog', 'describe'] });
    const notes = new Notes();
    const record = deliverable();
    void delivery.deliver([record], new CountedPermit(1), notes, signal);
    await clock.advance(5 * 60_000);
    t.is(notes.words.length, 0);
    port.heal();
    await clock.advanceUntil(() => notes.settlements.has(record), 30_000);
    t.is(notes.settlements.get(record)?.outcome, 'started');
    t.is(port.ofType('ktbQuarantine').length, 0);
  },
);

test.serial(
  'where even the quarantine of a lone failing record finds no way, it was not the record: it starts later',
  async (t) => {
    using clock = fakeClock();
    const port = new TemporalDouble();
    const { delivery } = workflowDelivery(port);
    // Starts fail, everything else passes: the probe says that Temporal is there.
    port.fail({ times: Infinity, calls: ['start'] });
    const notes = new Notes();
    const record = deliverable();
    void delivery.deliver([record], new CountedPermit(1), notes, signal);
    await clock.advance(60_000);
    t.true(
      port.calls.some(({ call, id }) => call === 'start' && isQuarantine(id)),
      'its quarantine was tried',
    );
    t.is(notes.words.length, 0);
    port.heal();
    port.fail({ times: Infinity, matching: isQuarantine });
    await clock.advanceUntil(() => notes.settlements.has(record), 60_000);
    t.is(notes.settlements.get(record)?.outcome, 'started');
  },
);

test('the memo and the request ID say whose it is', async (t) => {
  const port = new TemporalDouble();
  const { delivery } = workflowDelivery(port, { now: () => 99 });
  const record = deliverable({ key: 'k', source: { offset: 7n } });
  await deliver(delivery, [record]);
  const { request } = port.executions.get('k')!;
  t.is(request.requestId, startRequestId('orders', 'placed', record.source, record.source.value));
  t.like(request.memo, {
    subscription: 'orders',
    route: 'placed',
    key: 'k',
    topic: 'orders',
    partition: 0,
    offset: '7',
    timestamp: 1_700_000_000_000,
    processedAt: 99,
  });
});

/** Delivers one record with a slot. @returns its permit, and the memo that its execution has */
async function withSlot(
  port: TemporalDouble,
  record: MappedRecord,
  delivery = workflowDelivery(port).delivery,
): Promise<{ permit: CountedPermit; slot: unknown }> {
  const permit = new CountedPermit(1, ['b.0:7']);
  await delivery.deliver([record], permit, new Notes(), signal);
  const started = [...port.executions.values()].find(
    ({ request }) => request.workflowType !== 'ktbQuarantine',
  );
  return { permit, slot: started?.request.memo['slot'] };
}

test("a record's slot stands in the memo of what it started, and stays in work", async (t) => {
  const { permit, slot } = await withSlot(new TemporalDouble(), deliverable());
  t.is(slot, 'b.0:7');
  t.is(permit.why, 'inWork');
  t.deepEqual(permit.used, ['b.0:7']);
});

test('a redelivered record whose execution has closed holds no slot', async (t) => {
  const port = new TemporalDouble();
  const { delivery } = workflowDelivery(port);
  await delivery.deliver([deliverable()], new CountedPermit(1, ['a.0:1']), new Notes(), signal);
  port.end([...port.executions.keys()][0]!, 'completed');
  const permit = new CountedPermit(1, ['b.0:7']);
  await delivery.deliver([deliverable()], permit, new Notes(), signal);
  t.is(permit.why, 'settled');
});

test('without a slot the memo has none, and the permit comes back as settled', async (t) => {
  const port = new TemporalDouble();
  const permit = new CountedPermit(1);
  await workflowDelivery(port).delivery.deliver([deliverable()], permit, new Notes(), signal);
  t.false('slot' in [...port.executions.values()][0]!.request.memo);
  t.is(permit.why, 'settled');
});

test('a delayed record takes no slot along: it is free at once', async (t) => {
  const { permit, slot } = await withSlot(
    new TemporalDouble(),
    deliverable({ notBeforeMs: Date.now() + 60_000 }),
  );
  t.is(slot, undefined);
  t.is(permit.why, 'settled');
});

test('nor does a duplicate, or what goes into quarantine', async (t) => {
  const port = new TemporalDouble();
  const { delivery } = workflowDelivery(port);
  await delivery.deliver([deliverable({ key: 'k' })], new CountedPermit(1), new Notes(), signal);
  const duplicate = await withSlot(port, deliverable({ key: 'k', source: { offset: 9n } }), delivery);
  t.is(duplicate.permit.why, 'settled');
  const conflict = deliverable({ key: 'k', source: { offset: 10n, value: Buffer.from('other') } });
  t.is((await withSlot(port, conflict, delivery)).permit.why, 'settled');
  t.is((await withSlot(port, poison({ source: { offset: 11n } }), delivery)).permit.why, 'settled');
  for (const { request } of port.executions.values()) t.false('slot' in request.memo);
});

test('while a start may have happened its slot is not free: it was under way when the partition was lost', async (t) => {
  const port = new TemporalDouble();
  const { delivery } = workflowDelivery(port);
  const lost = new AbortController();
  const permit = new CountedPermit(1, ['b.0:7']);
  port.fail({ times: 1_000 });
  const delivered = delivery.deliver([deliverable()], permit, new Notes(), lost.signal);
  await turn(3);
  lost.abort();
  await delivered;
  t.is(permit.why, 'inWork');
});

test('of several records each has its own slot, and only those that began something stay in work', async (t) => {
  const port = new TemporalDouble();
  const { delivery } = workflowDelivery(port);
  const all = [
    deliverable({ source: { offset: 0n } }),
    poison({ source: { offset: 1n } }),
    deliverable({ source: { offset: 2n } }),
  ];
  const permit = new CountedPermit(3, ['b.0:0', 'b.0:1', 'b.0:2']);
  await delivery.deliver(all, permit, new Notes(), signal);
  t.deepEqual(permit.used, ['b.0:0', 'b.0:2']);
  const memos = ['key-0', 'key-2'].map((id) => port.executions.get(id)?.request.memo['slot']);
  t.deepEqual(memos, ['b.0:0', 'b.0:2']);
});
