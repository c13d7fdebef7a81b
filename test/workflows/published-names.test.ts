import test from 'ava';
import type { ApplicationFailure } from '@temporalio/common';
import type { PublishedEvent } from '../../workflows/contract.js';
import { PublishedNames } from '../../workflows/published-names.js';

/** A run, and what it has sent. */
function run() {
  const names = new PublishedNames();
  const sent: unknown[] = [];
  let failing = false;
  const publish = (...events: { topic?: string; event?: unknown; key?: string | null; name?: string }[]) => {
    const whole = events.map(({ topic = 'out', event = 'e', ...rest }) => ({ topic, event, ...rest }));
    return names.once(whole, async (): Promise<PublishedEvent[]> => {
      if (failing) throw new Error('Kafka is away');
      return whole.map(({ topic, event }) => {
        sent.push(event);
        return { topic, partition: 0, offset: String(sent.length - 1), timestamp: 1 };
      });
    });
  };
  return { publish, sent, fail: (fails: boolean) => (failing = fails) };
}

async function refused(
  t: { throwsAsync: any; like: any; regex: any },
  promise: Promise<unknown>,
  message: RegExp,
) {
  const failure = (await t.throwsAsync(promise)) as ApplicationFailure;
  t.like(failure, { type: 'KTB_USAGE', nonRetryable: true });
  t.regex(failure.message, message);
}

test('one event needs no name, a second one does, whatever it is', async (t) => {
  const { publish, sent } = run();
  await publish({});
  await refused(t, publish({}), /to have a `name` of its own, got none for an event to out/);
  await refused(t, publish({ event: 'other' }), /got none/);
  await publish({ event: 'other', name: 'other' });
  t.deepEqual(sent, ['e', 'other']);
});

test('behind a named event too, and among several at once', async (t) => {
  const { publish } = run();
  await publish({ name: 'first' });
  await refused(t, publish({}), /got none/);
  await refused(t, run().publish({ name: 'a' }, {}), /got none/);
});

test('a name again for the same event is that event: it gets its place, and nothing is sent', async (t) => {
  const { publish, sent } = run();
  const first = publish({ name: 'x', event: { a: 1 } });
  t.deepEqual(await publish({ name: 'x', event: { a: 1 } }), await first, 'also while it is under way');
  t.deepEqual(await publish({ name: 'x', event: { a: 1 } }), await first);
  t.is(sent.length, 1);
});

test('a name again for another event, topic or key is an error', async (t) => {
  const { publish } = run();
  await publish({ name: 'x' });
  for (const other of [{ event: 'f' }, { topic: 'elsewhere' }, { key: 'k' }, { event: new Uint8Array([1]) }])
    await refused(t, publish({ name: 'x', ...other }), /got 'x' for two events/);
  await refused(t, run().publish({ name: 'x' }, { name: 'x' }), /got 'x' for two events/);
});

test('what failed may be published again by whoever caught it, under the same name or none', async (t) => {
  for (const name of [undefined, 'x']) {
    const { publish, sent, fail } = run();
    const one = name === undefined ? {} : { name };
    fail(true);
    await t.throwsAsync(publish(one), { message: 'Kafka is away' });
    fail(false);
    await publish(one);
    t.is(sent.length, 1);
  }
});

test('events of one transaction that were published before are given back together, and never torn apart', async (t) => {
  const { publish, sent } = run();
  const both = [{ name: 'a' }, { name: 'b' }];
  const first = await publish(...both);
  t.deepEqual(await publish(...both), first);
  t.is(sent.length, 2);
  await refused(t, publish({ name: 'a' }, { name: 'c' }), /got some that were published before/);
});
