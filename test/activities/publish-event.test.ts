import test from 'ava';
import { CancelledFailure, type ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createOwnActivities, type Publisher, type PublishOutcome } from '../../activities/index.js';
import { resolveConfig } from '../../bridge/config/resolve.js';
import type { ProducerOptions } from '../../bridge/config/types.js';
import { EventPublisher } from '../../bridge/publish/event-publisher.js';
import {
  PUBLISH_EVENT_ACTIVITY,
  PUBLISH_EVENTS_ACTIVITY,
  type PublishedEvent,
  type PublishRequest,
} from '../../workflows/contract.js';
import { SILENT } from '../helpers/doubles/silent-logger.js';

const REQUEST: PublishRequest = { topic: 'out', key: null, headers: {}, identity: ['run', 'w', 'r', ''] };
const PLACE: PublishedEvent = { topic: 'out', partition: 0, offset: '7', timestamp: 1 };

const activitiesWith = (publisher: Partial<Publisher>) => createOwnActivities({ publisher } as never);
const environment = () => new MockActivityEnvironment({}, { logger: SILENT });
const publishing = (outcome: PublishOutcome<PublishedEvent>) =>
  environment().run(
    activitiesWith({ publish: async () => outcome })[PUBLISH_EVENT_ACTIVITY],
    REQUEST,
    'event',
  );

test("what is published is the activity's result", async (t) => {
  t.deepEqual(await publishing({ published: PLACE }), PLACE);
});

test('what is refused fails for good, with the code and the dead letter; what waits is tried again', async (t) => {
  const deadLetter = { topic: 'out.dlq', partition: 0, offset: '0' };
  const refused = await t.throwsAsync<ApplicationFailure>(
    publishing({ refused: 'too large', type: 'KTB_DEAD_LETTERED', details: deadLetter }),
  );
  t.like(refused, { message: 'too large', type: 'KTB_DEAD_LETTERED', nonRetryable: true });
  t.deepEqual(refused!.details, [deadLetter]);
  const waits = await t.throwsAsync<ApplicationFailure>(
    publishing({ waits: 'Kafka is away', type: 'KTB_CIRCUIT_OPEN' }),
  );
  t.like(waits, { message: 'Kafka is away', type: 'KTB_CIRCUIT_OPEN', nonRetryable: false });
});

test("a transaction's events are what stands behind the requests, and not the call's own argument", async (t) => {
  const given: unknown[] = [];
  const activities = activitiesWith({
    publishAll: async (requests, events) => {
      given.push(requests, events);
      return { published: [PLACE, PLACE] };
    },
  });
  await environment().run(activities[PUBLISH_EVENTS_ACTIVITY], [REQUEST, REQUEST], 'a', null, { attempt: 1 });
  t.deepEqual(given, [
    [REQUEST, REQUEST],
    ['a', null],
  ]);
});

test('a call that is cancelled ends at once', async (t) => {
  const env = environment();
  const running = env.run(
    activitiesWith({ publish: () => new Promise(() => undefined) })[PUBLISH_EVENT_ACTIVITY],
    REQUEST,
    'event',
  );
  env.cancel();
  await t.throwsAsync(running, { instanceOf: CancelledFailure });
});

/** Kafka is away, and soon known to be. */
function publisher(t: { teardown(close: () => Promise<void>): void }, producer: ProducerOptions = {}) {
  const config = resolveConfig(
    {
      name: 'shop',
      kafka: { brokers: ['127.0.0.1:1'], groupId: 'shop' },
      temporal: { taskQueue: 'shop' },
      routes: [{ topic: 'orders', activity: 'handle' }],
      producer: { circuit: { failures: 1 }, ...producer },
      logLevel: 'silent',
    },
    { baseDir: '/', env: {} },
  );
  const made = new EventPublisher(config);
  t.teardown(() => made.close());
  return made;
}

test('while Kafka is away an event waits, and so does a transaction', async (t) => {
  const away = publisher(t, { deliveryTimeoutMs: 300, spill: { dir: '/nowhere' } });
  t.like(await away.publish(REQUEST, 'event'), { type: 'KTB_NOT_DELIVERED' });
  const { waits, type } = (await away.publish(REQUEST, 'event')) as { waits: string; type: string };
  t.deepEqual(
    [waits, type],
    ['The record was not sent: Kafka is away', 'KTB_CIRCUIT_OPEN'],
    'and no spill file',
  );
  t.like(await away.publishAll([REQUEST], ['event']), { type: 'KTB_NOT_DELIVERED' });
});

test('what no repetition mends is refused: no topic, an event of a transaction that its encoder does not take', async (t) => {
  const made = publisher(t, { encoders: { out: 'text' } });
  t.like(await made.publish({ ...REQUEST, topic: 'no topic' }, 'event'), { type: 'KTB_USAGE' });
  const outcome = (await made.publishAll([REQUEST, REQUEST], ['text', { no: 'text' }])) as {
    refused: string;
  };
  t.deepEqual(outcome, {
    refused: 'Expected an event that is a string, got object',
    type: 'KTB_RECORD',
  } as never);
});

test('behind its close everything waits, for another worker', async (t) => {
  const made = publisher(t);
  await made.close();
  t.like(await made.publish(REQUEST, 'event'), { type: 'KTB_CLOSED', waits: 'The worker is shutting down' });
  t.like(await made.publishAll([REQUEST], ['event']), { type: 'KTB_CLOSED' });
});
