/**
 * For workflow code, `kafka-temporal-bridge/workflow`: events go to Kafka by an activity, under a key that is the same
 * however often the workflow is retried, replayed or reset.
 */
import { proxyActivities, workflowInfo, type ActivityOptions } from '@temporalio/workflow';
import type { Priority } from '../bridge/config/types.js';
import { ownTaskQueue, type PublishedEvent, type PublishHeaders, type PublishRequest } from './contract.js';
import { PublishedNames, usage } from './published-names.js';
import { publishIdentity } from './publish-identity.js';

export interface PublishOptions {
  /**
   * Which of the workflow's events it is; the same name is the same event. Required where the workflow publishes more
   * than once. @default ''
   */
  readonly name?: string;
  /** The record's key: events with the same key are in order. @default none */
  readonly key?: string | null;
  /** Beside them `idempotency-key` is set, and what the producer sets where it is missing. */
  readonly headers?: PublishHeaders;
  /** How urgent it is to whoever reads it: the header `priority`. @default none */
  readonly priority?: Priority;
  /** Of the activity. @default our task queue, 3 min an attempt, a heartbeat each 20 s, tried until it is through */
  readonly activity?: ActivityOptions;
}

/** One of the events of {@link publishAll}. */
export interface EventToPublish extends Omit<PublishOptions, 'activity'> {
  readonly topic: string;
  /** JSON, bytes, or `null`: a tombstone. */
  readonly event: unknown;
}

interface PublishActivities {
  ktbPublishEvent(request: PublishRequest, event: unknown): Promise<PublishedEvent>;
  ktbPublishEvents(requests: readonly PublishRequest[], ...events: unknown[]): Promise<PublishedEvent[]>;
}

/**
 * Publishes an event, and resolves with its place when it is in Kafka, acknowledged by all replicas. Its idempotency key is
 * made of what the workflow handles and of `name`: an activity that is tried again, a replay and a Reset publish under the
 * same key, so a bridge behind the topic starts nothing new.
 *
 * @param event what the worker's `producer.encoder` takes: JSON by default; `null` is a tombstone
 * @example
 * ```ts
 * import { publish } from 'kafka-temporal-bridge/workflow';
 *
 * export async function fulfilOrder(order: Order) {
 *   await reserve(order);
 *   await publish('reservations', { order: order.id }, { name: 'reserved', key: order.id });
 * }
 * ```
 * @throws ApplicationFailure not retryable: `KTB_USAGE` (no name where one is needed, a name that another event has),
 * `KTB_DEAD_LETTERED` (as the cause of an ActivityFailure: Kafka refuses the event)
 */
export async function publish(
  topic: string,
  event: unknown,
  options: PublishOptions = {},
): Promise<PublishedEvent> {
  const { activity, ...rest } = options;
  const one = { ...rest, topic, event };
  const request = requestOf(one);
  const [published] = await PublishedNames.ofWorkflow().once([one], async () => [
    await activities(activity, summaryOf(one)).ktbPublishEvent(request, event),
  ]);
  return published!;
}

/**
 * Publishes several events as one Kafka transaction: whoever reads `read_committed`, as a bridge does, sees all of them or
 * none. Each has a name of its own.
 *
 * @returns their places, in the order given
 * @throws ApplicationFailure as {@link publish}; `KTB_KAFKA` where Kafka refuses one of them: then none is published
 */
export async function publishAll(
  events: readonly EventToPublish[],
  { activity }: Pick<PublishOptions, 'activity'> = {},
): Promise<PublishedEvent[]> {
  if (!Array.isArray(events)) throw usage('`events`', 'an array', events);
  if (events.length === 0) return [];
  const requests = events.map(requestOf);
  return PublishedNames.ofWorkflow().once(events, () =>
    activities(activity, events.map(summaryOf).join(', ')).ktbPublishEvents(
      requests,
      ...events.map(({ event }) => event),
    ),
  );
}

function activities(options: ActivityOptions | undefined, summary: string): PublishActivities {
  return proxyActivities<PublishActivities>({
    // Every worker process of the bridge polls it, also where the user's activities are in another one.
    taskQueue: ownTaskQueue(workflowInfo().taskQueue),
    // Longer than the producer tries (`producer.deliveryTimeoutMs`): it knows better what became of the event.
    startToCloseTimeout: '3m',
    heartbeatTimeout: '20s',
    // Its own faults end it at once (non-retryable); what is systemic is tried until it has passed.
    retry: { initialInterval: '1s', maximumInterval: '1m' },
    // The server takes 400 bytes.
    summary: summary.slice(0, 100),
    ...options,
  });
}

/** What the UI shows beside the activity. */
function summaryOf({ topic, name }: EventToPublish): string {
  return name === undefined ? topic : `${name} → ${topic}`;
}

const KEY_HEADER = 'idempotency-key';

function requestOf({
  topic,
  event,
  name,
  key = null,
  headers = {},
  priority,
}: EventToPublish): PublishRequest {
  if (typeof topic !== 'string' || topic === '') throw usage('`topic`', "a topic's name", topic);
  if (event === undefined) throw usage('`event`', 'JSON, bytes or null', event);
  if (name !== undefined && (typeof name !== 'string' || name === ''))
    throw usage('`name`', "a text that isn't empty", name);
  if (key !== null && typeof key !== 'string') throw usage('`key`', 'a text or null', key);
  if (Object.hasOwn(headers, KEY_HEADER))
    throw usage(
      `header \`${KEY_HEADER}\``,
      'left to `publish`, which makes it of `name`',
      headers[KEY_HEADER],
    );
  return {
    topic,
    key,
    headers: { ...(priority === undefined ? {} : { priority }), ...headers },
    identity: publishIdentity(name ?? ''),
  };
}
