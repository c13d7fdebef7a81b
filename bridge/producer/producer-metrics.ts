import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { TopicLabels } from '../observe/labels.js';
import type { ProducerObserver } from './observer.js';
import type { ProducerStatus } from './producer.js';

/** Metrics of the producers of one registry: together, as they are told apart by what they send. */
export interface ProducerMetrics {
  /** Counts what happens. */
  readonly observer: ProducerObserver;
  /** What is is asked when somebody looks. @returns ends that */
  watch(status: () => ProducerStatus): () => void;
}

/** From a record of a quiet topic until the time is over. */
const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const CIRCUIT: Readonly<Record<ProducerStatus['circuit'], number>> = { closed: 0, 'half-open': 1, open: 2 };

const created = new WeakMap<Registry, ProducerMetrics>();

/**
 * The producer's series in a registry of prom-client's; docs/metrics.md says what each means. For a second producer on
 * the same registry they are the same.
 */
export function producerMetrics(registry: Registry): ProducerMetrics {
  let metrics = created.get(registry);
  if (!metrics) created.set(registry, (metrics = createMetrics(registry)));
  return metrics;
}

function createMetrics(registry: Registry): ProducerMetrics {
  const watched = new Set<() => ProducerStatus>();
  const { sent, seconds, dropped, unsent, retries } = createSeries(registry, watched);
  const topics = new TopicLabels();
  return {
    observer: {
      sent: (name, took) => {
        const topic = topics.of(name);
        sent.inc({ topic });
        seconds.observe({ topic }, took);
      },
      dropped: (name, reason) => dropped.inc({ topic: topics.of(name), reason }),
      refused: (name) => unsent.inc({ topic: topics.of(name), fate: 'refused' }),
      deadLettered: (name) => unsent.inc({ topic: topics.of(name), fate: 'dead_letter' }),
      spilled: (name) => unsent.inc({ topic: topics.of(name), fate: 'spilled' }),
      unknown: (name) => unsent.inc({ topic: topics.of(name), fate: 'unknown' }),
      notDelivered: (name) => unsent.inc({ topic: topics.of(name), fate: 'not_delivered' }),
      retried: (name) => retries.inc({ topic: topics.of(name) }),
      circuit: () => undefined, // it is asked
    },
    watch: (status) => {
      watched.add(status);
      return () => void watched.delete(status);
    },
  };
}

function createSeries(registry: Registry, watched: ReadonlySet<() => ProducerStatus>) {
  const registers = [registry];
  const gauge = (name: string, help: string, of: (all: readonly ProducerStatus[]) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(of([...watched].map((status) => status())));
      },
    });
  const sum = (of: (status: ProducerStatus) => number) => (all: readonly ProducerStatus[]) =>
    all.reduce((total, one) => total + of(one), 0);
  gauge(
    'ktb_producer_buffered_records',
    'Records that wait or are under way.',
    sum(({ records }) => records),
  );
  gauge(
    'ktb_producer_buffered_bytes',
    'Their bytes.',
    sum(({ bytes }) => bytes),
  );
  gauge(
    'ktb_producer_spilled_records',
    'Records in the spill file.',
    sum((one) => one.spilledRecords),
  );
  gauge(
    'ktb_producer_spilled_bytes',
    'Bytes of the spill file.',
    sum((one) => one.spilledBytes),
  );
  gauge(
    'ktb_producer_circuit_state',
    'The circuit around Kafka: 0 closed, 1 half-open, 2 open; of several producers the worst.',
    (all) => Math.max(0, ...all.map(({ circuit }) => CIRCUIT[circuit])),
  );
  return {
    sent: new Counter({
      name: 'kafka_messages_sent_total',
      help: 'Records in the log, acknowledged by all replicas.',
      labelNames: ['topic'],
      registers,
    }),
    seconds: new Histogram({
      name: 'kafka_send_duration_seconds',
      help: 'From the acceptance of a record until it was in the log.',
      labelNames: ['topic'],
      buckets: SECONDS_BUCKETS,
      registers,
    }),
    dropped: new Counter({
      name: 'kafka_messages_dropped_total',
      help: 'Records that the full buffer did not take or keep: `old_message_dropped`, `timeout_drop`, `low_priority_drop`.',
      labelNames: ['topic', 'reason'],
      registers,
    }),
    unsent: new Counter({
      name: 'ktb_producer_unsent_total',
      help: 'Sends that ended otherwise: `dead_letter`, `spilled`, `unknown`, `not_delivered`, `refused` (Kafka is away, and there is no spill file).',
      labelNames: ['topic', 'fate'],
      registers,
    }),
    retries: new Counter({
      name: 'ktb_producer_retries_total',
      help: 'Batches that were to be sent again.',
      labelNames: ['topic'],
      registers,
    }),
  };
}
