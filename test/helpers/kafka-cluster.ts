import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { startKafkaBroker, type KafkaBroker } from '../../bridge/local-stack/kafka-broker.js';
import { freePort } from '../../bridge/local-stack/ports.js';

/** Brokers that share what they hold: leaders move where one of them goes. */
export interface KafkaCluster extends AsyncDisposable {
  readonly brokers: readonly string[];
  /** By their numbers, which begin with 1. */
  readonly nodes: ReadonlyMap<number, KafkaBroker>;
}

/** Every record is on all of them, and one may be away: acknowledged by two at least. */
const REPLICATED = {
  'default.replication.factor': '3',
  'min.insync.replicas': '2',
  'offsets.topic.replication.factor': '3',
  'transaction.state.log.replication.factor': '3',
  'transaction.state.log.min.isr': '2',
  // One that was killed is given up soon, as an answer waits for it.
  'replica.lag.time.max.ms': '5000',
};

export async function startKafkaCluster(count = 3): Promise<KafkaCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'ktb-cluster-'));
  const clusterId = `c${randomBytes(16).toString('base64url').slice(1)}`;
  const places = await Promise.all(
    Array.from({ length: count }, async (_, index) => ({
      nodeId: index + 1,
      port: await freePort(),
      controllerPort: await freePort(),
    })),
  );
  const controllerVoters = places.map(({ nodeId, controllerPort: port }) => ({ nodeId, port }));
  // Together: none is ready before most of them have chosen a controller.
  const started = await Promise.allSettled(
    places.map(({ nodeId, port }) =>
      startKafkaBroker({
        dataDir: join(folder, String(nodeId)),
        nodeId,
        port,
        controllerVoters,
        clusterId,
        properties: REPLICATED,
        maxHeapMb: 300,
        readyTimeoutMs: 120_000,
      }),
    ),
  );
  const running = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const end = async (): Promise<void> => {
    await Promise.all(running.map((broker) => broker.stop()));
    await rm(folder, { recursive: true, force: true });
  };
  const failed = started.find((one) => one.status === 'rejected');
  if (failed) {
    await end();
    throw failed.reason;
  }
  return {
    brokers: running.flatMap((broker) => broker.brokers),
    nodes: new Map(running.map((broker, index) => [places[index]!.nodeId, broker])),
    [Symbol.asyncDispose]: end,
  };
}
