import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKafkaBroker, type KafkaBroker } from '../../bridge/local-stack/kafka-broker.js';
import { freePort } from '../../bridge/local-stack/ports.js';
import { startTcpProxy, type TcpProxy } from '../faults/tcp-proxy.js';

export interface ProxiedBroker extends AsyncDisposable {
  readonly broker: KafkaBroker;
  /** Past the proxy. */
  readonly brokers: readonly string[];
  /** Before it. */
  readonly proxy: TcpProxy;
}

/** A Kafka of one's own, to be hurt, and the network before it. */
export async function proxiedBroker(): Promise<ProxiedBroker> {
  const dataDir = await mkdtemp(join(tmpdir(), 'ktb-proxied-'));
  const listener = await freePort();
  const proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: listener } });
  const broker = await startKafkaBroker({
    dataDir,
    port: await freePort(),
    extraListeners: [{ name: 'PROXIED', port: listener, advertisedPort: proxy.port }],
  });
  return {
    broker,
    brokers: broker.brokers,
    proxy,
    [Symbol.asyncDispose]: async () => {
      broker.server.signal('SIGCONT');
      await broker.stop();
      await proxy.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
