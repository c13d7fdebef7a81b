import test from 'ava';
import { createRecordMapper } from '../../bridge/intake/record-mapper.js';
import { isFinal } from '../../bridge/operate/record-outcome.js';
import { Operated } from '../helpers/doubles/operated.js';
import { sourceRecord } from '../helpers/doubles/mapped-records.js';

/** A record with a key and a type, as it stands at an offset of orders/0. */
const placed = (key: string, offset: number, type = 'placed') =>
  sourceRecord({
    offset: BigInt(offset),
    timestampMs: 1,
    headers: { 'idempotency-key': Buffer.from(key), 'event-type': Buffer.from(type) },
  });

async function outcome(it: Operated, record: ReturnType<typeof placed>) {
  return it.client.outcome(record, await createRecordMapper(it.config).map(record));
}

test("a record's outcome is its execution's state, with the reason and the link", async (t) => {
  const it = new Operated();
  it.kafka.create('orders');
  it.record('dead', { offset: 1 });
  it.record('fine', { offset: 2, steps: [{ call: 'fine' }] });
  it.operator.activities['stumbles'] = () => {
    throw new Error('not this time');
  };
  it.record('slow', { offset: 3, steps: [{ call: 'stumbles' }] });
  const failed = await outcome(it, placed('dead', 1));
  t.like(failed, {
    state: 'failed',
    reason: 'NotMended: the cause of dead is not mended',
    workflowId: 'dead',
  });
  t.regex(failed.link!, /^http:\/\/ui\.test\/namespaces\/default\/workflows\/dead\//);
  t.like(await outcome(it, placed('fine', 2)), { state: 'completed', workflowId: 'fine' });
  const running = await outcome(it, placed('slow', 3));
  t.is(running.state, 'running');
  t.deepEqual([failed, running].map(isFinal), [true, false]);
});

test('another record of the same key is a duplicate, and the first one is named', async (t) => {
  const it = new Operated();
  it.record('a', { offset: 1 });
  t.like(await outcome(it, placed('a', 7)), {
    state: 'duplicate',
    first: 'orders/0/1',
    workflowId: 'a',
  });
});

test('a conflict, and what could not be taken, stand in quarantine; later it is through', async (t) => {
  const it = new Operated();
  it.record('a', { offset: 1 });
  it.quarantined(7, { cause: 'conflict' });
  t.like(await outcome(it, placed('a', 7)), {
    state: 'quarantined',
    reason: 'Ktb.undecodable: it is not JSON',
  });
  it.quarantined(8);
  t.is((await outcome(it, placed('b', 8, 'nobody-knows'))).state, 'quarantined');
  it.mended = true;
  it.quarantined(9);
  t.is((await outcome(it, placed('c', 9, 'nobody-knows'))).state, 'through');
});

test("an ID that is another subscription's makes it foreign", async (t) => {
  const it = new Operated();
  it.record('a', { offset: 1, subscription: 'another' });
  t.is((await outcome(it, placed('a', 1))).state, 'foreign');
});

test('what the bridge has not read waits; past it, nobody knows', async (t) => {
  const it = new Operated();
  it.kafka.create('orders');
  it.kafka.append('orders', [{ value: '{}' }, { value: '{}' }]);
  it.kafka.commit('orders', 0, 1n);
  t.is((await outcome(it, placed('gone', 0))).state, 'unknown');
  t.is((await outcome(it, placed('soon', 1))).state, 'waiting');
});

test('what today a filter or its age keeps out is said without asking anybody', async (t) => {
  const it = new Operated({
    config: {
      routes: [
        { topic: 'orders', eventType: 'placed', workflow: 'w', filter: () => false },
        { topic: 'orders', eventType: 'paid', workflow: 'w', maxAgeMs: 1_000 },
      ],
    },
  });
  t.deepEqual(await outcome(it, placed('a', 1)), { state: 'filtered' });
  t.is((await outcome(it, placed('b', 2, 'paid'))).state, 'expired');
});
