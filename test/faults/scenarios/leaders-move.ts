import type { ITopicMetadata } from 'kafkajs';
import { createProducer } from '../../../bridge/index.js';
import { startKafkaCluster, type KafkaCluster } from '../../helpers/kafka-cluster.js';
import { createTopic, kafkaClient, readAll, withAdmin } from '../../helpers/kafka.js';
import { unique } from '../../helpers/stack.js';
import { until } from '../../helpers/until.js';
import { SendLedger, type SendVerdict } from '../send-ledger.js';

export interface LeadersMoveOptions {
  /** Each restarts every broker in turn, then kills a leader. */
  readonly rounds: number;
  readonly perSecond: number;
  readonly log: (line: string) => void;
}

export interface LeadersMoveReport extends SendVerdict {
  /** What kafkajs's own producer has made of the same. */
  readonly plain: { readonly acknowledged: number; readonly lost: number; readonly doubled: number };
  readonly moves: number;
}

const PARTITIONS = 6;
const AWAY_MS = 3_000;

/** Three brokers whose leaders move under load: a rolling restart, and SIGKILL of a leader. */
export async function leadersMove({
  rounds,
  perSecond,
  log,
}: LeadersMoveOptions): Promise<LeadersMoveReport> {
  await using cluster = await startKafkaCluster(3);
  const { brokers } = cluster;
  const options = { partitions: PARTITIONS, replicationFactor: 3 };
  const [topic, plainTopic] = [unique('moving'), unique('moving-plain')];
  for (const one of [topic, plainTopic]) await createTopic(brokers, one, options);
  await using producer = createProducer({ kafka: { brokers }, producer: { buffer: { records: 5_000 } } });
  const ledger = new SendLedger(producer, topic);
  const stop = new AbortController();
  const ours = ledger.load(perSecond, stop.signal);
  const theirs = plainLoad(brokers, plainTopic, stop.signal);
  let moves = 0;
  for (let round = 0; round < rounds; round++) {
    for (const [nodeId, { server }] of cluster.nodes) {
      log(`round ${round}: broker ${nodeId} is restarted`);
      await server.restart();
      await inSync(cluster, topic);
      moves++;
    }
    const { leader } = (await metadataOf(brokers, topic)).partitions[0]!;
    log(`round ${round}: broker ${leader}, a leader, is killed`);
    const { server } = cluster.nodes.get(leader)!;
    server.signal('SIGKILL');
    await server.exited;
    await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
    await server.restart();
    await inSync(cluster, topic);
    moves++;
  }
  stop.abort();
  await ours;
  await ledger.ended();
  await producer.flush();
  const acknowledged = await theirs;
  const plainLog = (await readAll(brokers, plainTopic)).map(({ value }) => String(value));
  const there = new Set(plainLog);
  return {
    ...ledger.verdict(await readAll(brokers, topic)),
    plain: {
      acknowledged: acknowledged.length,
      lost: acknowledged.filter((value) => !there.has(value)).length,
      doubled: plainLog.length - there.size,
    },
    moves,
  };
}

/** Over all leaders in one send: those that answered are skipped at the retry, and some are never said. */
async function plainLoad(
  brokers: readonly string[],
  topic: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const plain = kafkaClient(brokers, { requestTimeout: 5_000 }).producer({ idempotent: true });
  await plain.connect();
  const acknowledged: string[] = [];
  for (let round = 0; !signal.aborted; round++) {
    const messages = Array.from({ length: 2 * PARTITIONS }, (_, index) => ({
      value: `${round}-${index}`,
      partition: index % PARTITIONS,
    }));
    await plain.send({ topic, messages }).then(
      () => acknowledged.push(...messages.map(({ value }) => value)),
      () => undefined,
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await plain.disconnect();
  return acknowledged;
}

async function metadataOf(brokers: readonly string[], topic: string): Promise<ITopicMetadata> {
  const { topics } = await withAdmin(brokers, (admin) => admin.fetchTopicMetadata({ topics: [topic] }));
  return topics[0]!;
}

/** The next one goes only when all have what the others have. */
async function inSync({ brokers }: KafkaCluster, topic: string): Promise<void> {
  await until(() => metadataOf(brokers, topic), {
    what: 'every broker to have every record again',
    accept: ({ partitions }) => partitions.every(({ isr }) => isr.length === 3),
    everyMs: 300,
  });
}
