import type { TestFn } from 'ava';
import type { Delivery } from '../../bridge/delivery/delivery.js';
import type { MappedRecord } from '../../bridge/intake/mapped-record.js';
import { deliverable, filtered, poison } from '../helpers/doubles/mapped-records.js';
import { CountedPermit, Notes } from '../helpers/doubles/observer.js';
import type { UnreliablePort } from '../helpers/doubles/unreliable-port.js';
import { unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

export interface DeliveryUnderTest {
  readonly delivery: Delivery;
  /** What it reaches Temporal by. */
  readonly port: UnreliablePort;
  /** Lets what has been accepted settle. */
  finish(): void;
}

/** Records of a topic that no other test knows. */
function records(count: number): MappedRecord[] {
  const topic = unique('orders');
  return Array.from({ length: count }, (_, index) =>
    deliverable({ key: `${topic}-${index}`, source: { topic, offset: BigInt(index) } }),
  );
}

interface Handed {
  readonly notes: Notes;
  readonly permit: CountedPermit;
  readonly abort: AbortController;
  readonly delivered: Promise<void>;
}

function hand(
  delivery: Delivery,
  all: readonly MappedRecord[],
  notes = new Notes(),
  abort = new AbortController(),
): Handed {
  const permit = new CountedPermit(all.length);
  return { notes, permit, abort, delivered: delivery.deliver(all, permit, notes, abort.signal) };
}

/** What every delivery promises. */
export function deliveryContract(test: TestFn, open: () => Promise<DeliveryUnderTest>): void {
  test('each record is accepted once, then settled once, and the permit comes back once', async (t) => {
    const { delivery, finish } = await open();
    const all = records(5);
    const { notes, permit, delivered } = hand(delivery, all);
    await delivered;
    t.is(notes.count('accepted'), 5);
    finish();
    for (const record of all) t.deepEqual(notes.of(record), ['accepted', 'settled']);
    t.deepEqual(notes.wrong, []);
    t.is(permit.releases, 1);
  });

  test('the permit is kept until all of its records are settled', async (t) => {
    const { delivery, finish } = await open();
    const { notes, permit, delivered } = hand(delivery, records(3));
    await delivered;
    t.is(permit.releases, notes.count('settled') === 3 ? 1 : 0);
    finish();
    t.is(permit.releases, 1);
  });

  test('a record of each kind has its outcome', async (t) => {
    const { delivery, finish } = await open();
    const [deliver] = records(1);
    const topic = unique('orders');
    const all = [deliver!, poison({ source: { topic, offset: 1n } }), filtered({ topic, offset: 2n })];
    const { notes, delivered } = hand(delivery, all);
    await delivered;
    finish();
    const [first, ...others] = notes.outcomes(all);
    t.true(first === 'started' || first === 'done', first);
    t.deepEqual(others, ['quarantined', 'filtered']);
  });

  test('calls side by side do not mix: each tells its own observer, and gives its own permit back', async (t) => {
    const { delivery, finish } = await open();
    const groups = [records(2), records(1), records(3)];
    const handed = groups.map((all) => hand(delivery, all));
    await Promise.all(handed.map(({ delivered }) => delivered));
    finish();
    for (const [index, { notes, permit }] of handed.entries()) {
      t.is(notes.words.length, groups[index]!.length * 2);
      for (const record of groups[index]!) t.deepEqual(notes.of(record), ['accepted', 'settled']);
      t.deepEqual(notes.wrong, []);
      t.is(permit.releases, 1);
    }
  });

  test('a systemic fault is outlasted: nothing is returned, lost or quarantined', async (t) => {
    const { delivery, port, finish } = await open();
    const all = records(3);
    port.fail({ times: 4 });
    const { notes, permit, delivered } = hand(delivery, all);
    await delivered;
    finish();
    for (const record of all) t.deepEqual(notes.of(record), ['accepted', 'settled']);
    t.false(notes.outcomes(all).includes('quarantined'));
    t.is(permit.releases, 1);
  });

  test('a start whose reply was lost is met again, and not taken for somebody else', async (t) => {
    const { delivery, port, finish } = await open();
    const all = records(2);
    port.loseReplies({ times: 2 });
    const { notes, delivered } = hand(delivery, all);
    await delivered;
    finish();
    for (const outcome of notes.outcomes(all)) t.true(outcome === 'started' || outcome === 'done', outcome);
  });

  test('while Temporal is away nothing is accepted; after the signal it is given back, and the call ends', async (t) => {
    const { delivery, port } = await open();
    port.fail({ times: Infinity });
    const all = records(3);
    const before = port.countOf('start');
    const { notes, permit, abort, delivered } = hand(delivery, all);
    await until(() => port.countOf('start') > before + 1, { what: 'a second try', everyMs: 5 });
    t.is(notes.words.length, 0);
    t.is(permit.releases, 0);
    abort.abort();
    await delivered;
    for (const record of all) t.deepEqual(notes.of(record), ['returned']);
    t.is(permit.releases, 1);
    port.heal();
  });

  test('after the signal nothing is begun: all is given back', async (t) => {
    const { delivery, port } = await open();
    const abort = new AbortController();
    abort.abort();
    const before = port.countOf('start');
    const all = records(3);
    const { notes, permit, delivered } = hand(delivery, all, new Notes(), abort);
    await delivered;
    for (const record of all) t.deepEqual(notes.of(record), ['returned']);
    t.is(permit.releases, 1);
    t.is(port.countOf('start'), before);
  });

  test('a record that was given back can be delivered again', async (t) => {
    const { delivery, port, finish } = await open();
    port.fail({ times: Infinity });
    const all = records(2);
    const before = port.countOf('start');
    const first = hand(delivery, all);
    await until(() => port.countOf('start') > before, { what: 'a try', everyMs: 5 });
    first.abort.abort();
    await first.delivered;
    port.heal();
    const second = hand(delivery, all);
    await second.delivered;
    finish();
    for (const record of all) t.deepEqual(second.notes.of(record), ['accepted', 'settled']);
    t.is(second.permit.releases, 1);
  });

  test('what is accepted is durable: an execution holds it', async (t) => {
    const { delivery, port } = await open();
    const before = port.calls.length;
    const { delivered, notes } = hand(delivery, records(1));
    await delivered;
    t.is(notes.count('accepted'), 1);
    const started = port.calls.slice(before).find(({ call }) => call === 'start');
    t.is((await port.describe(started!.id))?.status, 'running');
  });
}
