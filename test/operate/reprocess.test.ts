import test from 'ava';
import { BridgeError } from '../../bridge/errors.js';
import type { ReprocessOptions, ReprocessRequest } from '../../bridge/operate/reprocess.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { fakeClock } from '../helpers/doubles/clock.js';
import { Operated } from '../helpers/doubles/operated.js';
import type { TestMessage } from '../helpers/kafka.js';

const ROUTES = [{ id: 'placed', topic: 'orders', workflow: 'fulfilOrder' }];

/** A topic of keyed orders. */
function topicOf(count: number, partitions = 1, config: object = { routes: ROUTES }): Operated {
  const it = new Operated({ config });
  it.kafka.create('orders', partitions);
  it.kafka.append(
    'orders',
    Array.from({ length: count }, (_, index) => order(`k${index}`, { partition: index % partitions })),
  );
  return it;
}

const order = (key: string | undefined, fields: Partial<TestMessage> = {}): TestMessage => ({
  value: JSON.stringify({ id: key }),
  ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }),
  ...fields,
});

const again = (it: Operated, fields: Partial<ReprocessRequest> = {}, options: ReprocessOptions = {}) =>
  it.client.reprocess({ topic: 'orders', from: 0n, to: 1_000n, generation: 2, ...fields }, options);

const startedIds = ({ temporal }: Operated) => [...temporal.executions.keys()];

test('a stretch starts under keys of its own, and the handler sees that key', async (t) => {
  const it = topicOf(5);
  const report = await again(it, { from: 1n, to: 3n });
  t.like(report.outcomes, { started: 2, quarantined: 0 });
  t.deepEqual(report.ranges, [{ topic: 'orders', partition: 0, from: 1n, to: 3n }]);
  t.deepEqual(startedIds(it), ['k1~g2', 'k2~g2']);
  const { args, memo } = it.temporal.executions.get('k1~g2')!.request;
  t.like(args[1], { idempotencyKey: 'k1~g2', offset: '1' });
  t.like(memo, { key: 'k1~g2', subscription: 'orders', route: 'placed' });
});

test('the same generation again starts nothing twice, another one does', async (t) => {
  const it = topicOf(3);
  await again(it);
  t.like((await again(it)).outcomes, { started: 3 }, 'our own starts are met again');
  t.is(it.temporal.executions.size, 3);
  await again(it, { generation: 3 });
  t.is(it.temporal.executions.size, 6);
});

test('what was handled first under the key itself is no hindrance', async (t) => {
  const it = topicOf(1);
  it.temporal.plant('k0', 'a-start-of-somebody');
  t.like((await again(it)).outcomes, { started: 1, foreign: 0 });
});

test('a record without a key is named by its place', async (t) => {
  const it = topicOf(0);
  it.kafka.append('orders', [order(undefined, { timestamp: 17 }), order(undefined, { timestamp: 18 })]);
  t.like((await again(it)).outcomes, { started: 2 });
  t.deepEqual(startedIds(it), ['placed/orders/0/0@17~g2', 'placed/orders/0/1@18~g2']);
});

test('a dry run counts what would become of the records, asks nothing and starts nothing', async (t) => {
  const it = topicOf(3);
  it.kafka.append('orders', [{ value: 'not JSON', headers: { 'idempotency-key': 'bad' } }]);
  const report = await again(it, {}, { dryRun: true, confirm: async () => t.fail() as never });
  t.like(report, { confirmed: false });
  t.like(report.outcomes, { started: 3, quarantined: 1 });
  t.regex(report.reasons.quarantined!, /JSON/);
  t.is(it.temporal.executions.size, 0);
});

test('it is asked once, with the ranges and how many records they span; no is no', async (t) => {
  const it = topicOf(10, 2);
  const asked: [number, number][] = [];
  const report = await again(
    it,
    { from: new Date(0), to: new Date(Date.now() + 60_000) },
    {
      confirm: async (ranges, records) => {
        asked.push([ranges.length, records]);
        return false;
      },
    },
  );
  t.deepEqual(asked, [[2, 10]]);
  t.false(report.confirmed);
  t.is(it.temporal.executions.size, 0);
});

test('an empty stretch asks nothing', async (t) => {
  const report = await again(
    topicOf(3),
    { from: 100n, to: 200n },
    { confirm: async () => t.fail() as never },
  );
  t.deepEqual(report.ranges, []);
});

test('what cannot be taken stands in quarantine, once, and the others go on', async (t) => {
  const it = topicOf(1);
  it.kafka.append('orders', [{ value: 'not JSON' }, order('k9')]);
  for (let index = 0; index < 2; index++)
    t.like((await again(it)).outcomes, { started: 2, quarantined: 1 }, String(index));
  t.is(it.temporal.ofType('ktbQuarantine').length, 1);
});

test('a key that another value has taken in this generation is a conflict, and is counted with its reason', async (t) => {
  const it = topicOf(1);
  it.kafka.append('orders', [{ ...order('k0'), value: '{"another":1}' }]);
  const report = await again(it);
  t.like(report.outcomes, { started: 1, conflict: 1 });
  t.regex(report.reasons.conflict!, /with another value: k0~g2/);
});

test('offsets need a partition where the topic has several; one alone may go without', async (t) => {
  const it = topicOf(6, 3);
  const error = await t.throwsAsync(again(it, { from: 0n }), { instanceOf: BridgeError, code: 'KTB_USAGE' });
  t.regex(error!.message, /Expected `partition` to be given/);
  t.like((await again(it, { partition: 1 })).outcomes, { started: 2 });
  t.like((await again(it, { from: new Date(0) })).outcomes, { started: 6 }, 'times mean every partition');
});

test('a generation is a whole number of at least 1', async (t) => {
  for (const generation of [0, -1, 1.5, Number.NaN]) {
    const error = await t.throwsAsync(again(topicOf(1), { generation }), { instanceOf: BridgeError });
    t.regex(error!.message, /^Expected `generation` to be a whole number of at least 1, got /);
  }
});

test.serial('an outage in the middle is waited for, and nothing is lost nor started twice', async (t) => {
  const it = topicOf(40);
  it.temporal.fail({ times: 60 });
  it.temporal.loseReplies({ times: 5 });
  using clock = fakeClock(Date.now());
  let report: Awaited<ReturnType<typeof again>> | undefined;
  const work = again(it).then((one) => (report = one));
  await clock.advanceUntil(() => report !== undefined);
  await work;
  t.like(report?.outcomes, { started: 40, duplicate: 0, quarantined: 0 });
  t.is(it.temporal.executions.size, 40);
});

test.serial(
  'an outage that does not end is an error; the same generation later goes on where it stood',
  async (t) => {
    const it = topicOf(40);
    let failing = false;
    it.temporal.fail({ times: 100_000, matching: (id) => failing && id !== 'k0~g2' });
    using clock = fakeClock(Date.now());
    let fault: unknown;
    const work = again(it, {}, { onProgress: (done) => (failing = done >= 5) }).catch((error: unknown) => {
      fault = error;
    });
    await clock.advanceUntil(() => fault !== undefined);
    await work;
    t.true(fault instanceof TemporalFault);
    t.true(it.temporal.executions.size < 40);
    it.temporal.heal();
    let done: unknown;
    const second = again(it).then((one) => (done = one));
    await clock.advanceUntil(() => done !== undefined);
    await second;
    t.is(it.temporal.executions.size, 40);
  },
);

test('a record that Temporal refuses for what it says is counted, with the reason, and the others go on', async (t) => {
  const it = topicOf(3);
  it.temporal.fail({
    matching: (id) => id === 'k1~g2',
    fault: () => new TemporalFault('rejected', 'a search attribute is unknown'),
  });
  const report = await again(it);
  t.like(report.outcomes, { started: 2, quarantined: 1 });
  t.is(report.reasons.quarantined, 'a search attribute is unknown; nothing was started');
});

test('where Kafka does not answer, it ends with that', async (t) => {
  const it = topicOf(3);
  it.kafka.away = true;
  await t.throwsAsync(again(it), { instanceOf: BridgeError, code: 'KTB_KAFKA' });
});

test.serial('an interruption leaves the rest as it is', async (t) => {
  const it = topicOf(40, 2);
  const interrupted = new AbortController();
  using clock = fakeClock(Date.now());
  let report: Awaited<ReturnType<typeof again>> | undefined;
  const range = { from: new Date(0), to: new Date(Date.now() + 60_000) };
  const work = again(it, range, {
    perSecond: 10,
    signal: interrupted.signal,
    onProgress: (done, total) => {
      t.is(total, 40);
      if (done === 5) interrupted.abort();
    },
  }).then((one) => (report = one));
  await clock.advanceUntil(() => report !== undefined);
  await work;
  t.true(it.temporal.executions.size < 25, `${it.temporal.executions.size} were started`);
  t.true(
    startedIds(it).every((id) => Number(/^k(\d+)/.exec(id)![1]) % 2 === 0),
    'the other partition was not begun',
  );
});

test.serial('starts come evenly', async (t) => {
  const it = topicOf(20);
  const times: number[] = [];
  const { start } = it.temporal;
  it.temporal.start = (request) => {
    times.push(Date.now());
    return start.call(it.temporal, request);
  };
  using clock = fakeClock(Date.now());
  let report: unknown;
  const work = again(it, {}, { perSecond: 10 }).then((one) => (report = one));
  await clock.advanceUntil(() => report !== undefined);
  await work;
  t.is(times.length, 20);
  for (let index = 5; index < 20; index++) t.true(times[index]! - times[index - 5]! >= 450, `start ${index}`);
});
