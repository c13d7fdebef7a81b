import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProducer } from '../../../bridge/index.js';
import { startKafkaBroker } from '../../../bridge/local-stack/kafka-broker.js';
import { freePort } from '../../../bridge/local-stack/ports.js';
import { createTopic, readAll } from '../../helpers/kafka.js';
import { unique } from '../../helpers/stack.js';
import { until } from '../../helpers/until.js';
import { SendLedger, type SendVerdict } from '../send-ledger.js';

export interface ProducerAwayOptions {
  /** How long the broker is away. Records come before, meanwhile and afterwards. */
  readonly forMs: number;
  readonly perSecond: number;
  readonly timeoutMs: number;
}

export interface ProducerAwayReport extends SendVerdict {
  /** Records in memory, at most. */
  readonly mostBuffered: number;
  /** Of the process while the broker was away, over what it was before. */
  readonly growthMb: number;
  /** From the broker's return until all was delivered. */
  readonly caughtUpMs: number;
}

const MB = 1024 ** 2;
const AROUND_MS = 2_000;

/** A broker that is killed and comes back late, under a producer with a spill file. */
export async function producerAway(options: ProducerAwayOptions): Promise<ProducerAwayReport> {
  const { forMs, perSecond, timeoutMs } = options;
  const folder = await mkdtemp(join(tmpdir(), 'ktb-away-'));
  const { brokers, server, stop } = await startKafkaBroker({
    dataDir: join(folder, 'kafka'),
    port: await freePort(),
  });
  const producer = createProducer({
    kafka: { brokers },
    producer: {
      spill: { dir: join(folder, 'spill'), maxBytes: 512 * MB },
      circuit: { failures: 3, halfOpenAfterMs: 1_000 },
    },
  });
  const watch: { buffered: number; rss: number } = { buffered: 0, rss: 0 };
  const watching = setInterval(() => {
    watch.buffered = Math.max(watch.buffered, producer.status.records);
    watch.rss = Math.max(watch.rss, process.memoryUsage.rss());
  }, 20);
  try {
    const topic = await createTopic(brokers, unique('away'), { partitions: 3 });
    const ledger = new SendLedger(producer, topic);
    await ledger.load(perSecond, AbortSignal.timeout(AROUND_MS));
    await ledger.ended();
    const before = process.memoryUsage.rss();
    watch.rss = before;
    server.signal('SIGKILL');
    await server.exited;
    await ledger.load(perSecond, AbortSignal.timeout(forMs));
    const growthMb = Math.round((watch.rss - before) / MB);
    await server.restart();
    const backAt = performance.now();
    await ledger.load(perSecond, AbortSignal.timeout(AROUND_MS));
    await ledger.ended();
    await until(() => producer.status.spilledRecords === 0 && producer.status.records === 0, {
      what: 'all to be sent',
      timeoutMs,
    });
    const caughtUpMs = Math.round(performance.now() - backAt);
    const verdict = ledger.verdict(await readAll(brokers, topic));
    return { ...verdict, mostBuffered: watch.buffered, growthMb, caughtUpMs };
  } finally {
    clearInterval(watching);
    await producer.close();
    await stop();
    await rm(folder, { recursive: true, force: true });
  }
}
