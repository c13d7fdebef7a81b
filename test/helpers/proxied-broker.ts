import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKafkaBroker, type KafkaBroker } from '../../bridge/local-stack/kafka-broker.js';
import { freePort } from '../../bridge/local-stack/ports.js';
import { startTcpProxy, type TcpProxy } from '../faults/tcp-proxy.js';

/** A broker of one's own, to be hurt, and a second way to it that loses answers. */
export interface ProxiedBroker extends KafkaBroker {
  readonly proxy: TcpProxy;
  /** Stops both, and takes the folder away. */
  end(): Promise<void>;
}

export async function startProxiedBroker(): Promise<ProxiedBroker> {
  const dataDir = await mkdtemp(join(tmpdir(), 'ktb-producer-'));
  const listener = await freePort();
  const proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: listener } });
  const broker = await startKafkaBroker({
    dataDir,
    port: await freePort(),
    extraListeners: [{ name: 'PROXIED', port: listener, advertisedPort: proxy.port }],
  });
  const end = async (): Promise<void> => {
    broker.server.signal('SIGCONT');
    await broker.stop();
    await proxy.close();
    await rm(dataDir, { recursive: true, force: true });
  };
  return { ...broker, proxy, end };
}
