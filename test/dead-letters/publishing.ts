import type { BridgeConfig } from '../../bridge/config/types.js';
import { DeadLetterPublisher } from '../../bridge/dead-letters/dead-letter-publisher.js';
import type { RecordLookup } from '../../bridge/intake/record-lookup.js';
import type { TopicPartition } from '../../bridge/intake/record-source.js';
import type { AlertRaise } from '../../bridge/observe/alerts.js';
import type { ProducerMessage } from '../../bridge/producer/producer-options.js';
import { SendError } from '../../bridge/producer/send-error.js';
import type { Coordinates, SourceRecord } from '../../bridge/record.js';
import { memoryLogger } from '../helpers/connections.js';
import { CursorDouble } from '../helpers/doubles/cursor-double.js';
import { Operated } from '../helpers/doubles/operated.js';

/** A Kafka that knows single records, and topics by their names. */
class LookupDouble implements RecordLookup {
  readonly records: SourceRecord[] = [];
  readonly made: string[] = [];
  away = false;
  closed = false;

  async recordAt({ topic, partition, offset }: Coordinates): Promise<SourceRecord | undefined> {
    if (this.away) throw new Error('Kafka is away');
    return this.records.find(
      (one) => one.topic === topic && one.partition === partition && one.offset === offset,
    );
  }

  async makeTopic(topic: string): Promise<void> {
    this.made.push(topic);
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/** Takes what is sent, unless it is told otherwise. */
class ProducerDouble {
  readonly sent: ProducerMessage[] = [];
  tooLargeFrom = Infinity;
  refuses: string | undefined;
  closed = false;

  async send(message: ProducerMessage) {
    const { topic } = message;
    const refusal = (why: string) =>
      new SendError('KTB_NOT_DELIVERED', `The record was not sent: ${why}`, { topic });
    if (this.refuses !== undefined) throw refusal(this.refuses);
    if ((message.value?.length ?? 0) >= this.tooLargeFrom)
      throw refusal('the broker answers MESSAGE_TOO_LARGE');
    this.sent.push(message);
    return { topic, partition: 0, offset: String(this.sent.length - 1), timestamp: 1 };
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

const ROUTES: BridgeConfig['routes'] = [
  { id: 'placed', topic: 'orders', eventType: 'placed', workflow: 'fulfilOrder', deadLetterTopic: true },
  { id: 'paid', topic: 'orders', eventType: 'paid', activity: 'book', decoder: 'text' },
];

/** A publisher over a subscription whose handlers fail. */
export function publishing(options: { readonly config?: Partial<BridgeConfig> } = {}) {
  const it = new Operated({ config: { routes: ROUTES, ...options.config } });
  const lookup = new LookupDouble();
  const producer = new ProducerDouble();
  const cursor = new CursorDouble();
  const log = memoryLogger();
  const alerts: AlertRaise[] = [];
  const counts: Record<string, number> = {};
  const count = (name: string, by = 1) => void (counts[name] = (counts[name] ?? 0) + by);
  let owned: readonly TopicPartition[] = [{ topic: 'orders', partition: 0 }];
  const publisher = new DeadLetterPublisher({
    config: it.config,
    ports: { operator: it.operator, cursor, lookup, producer },
    topics: async () => ['orders'],
    owned: () => owned,
    logger: log.logger,
    onPublished: (route, by) => count(`published ${route}`, by),
    onFailed: (route) => count(`failed ${route}`),
    raise: (alert) => alerts.push(alert),
    everyMs: 1,
  });
  const { signal } = new AbortController();
  return {
    it,
    lookup,
    producer,
    cursor,
    log,
    alerts,
    counts,
    publisher,
    look: () => publisher.look(signal),
    own: (partitions: readonly TopicPartition[]) => void (owned = partitions),
  };
}

/** As text, where it is one. */
export function headersOf({ headers = {} }: ProducerMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, String(value)]),
  );
}
