import { Bridge } from '../../../bridge/bridge.js';
import { resolveConfig } from '../../../bridge/config/resolve.js';
import type { BridgeConfig } from '../../../bridge/config/types.js';
import { memoryLogger } from '../connections.js';
import { Scrape } from '../prometheus.js';
import type { FakeClock } from './clock.js';
import { SourceDouble } from './source-double.js';
import { TemporalDouble } from './temporal-double.js';

export const P0 = { topic: 'orders', partition: 0 };
export const P1 = { topic: 'orders', partition: 1 };

/** A whole bridge between a Kafka and a Temporal in memory, by a clock that is moved by hand. */
export async function bridgeInMemory(clock: FakeClock, fields: Partial<BridgeConfig> = {}) {
  const source = new SourceDouble();
  const temporal = new TemporalDouble();
  const log = memoryLogger();
  const config = resolveConfig(
    {
      name: 'orders',
      kafka: { brokers: ['localhost:9092'], groupId: 'orders' },
      temporal: { taskQueue: 'orders' },
      routes: [{ id: 'placed', topic: 'orders', workflow: 'fulfil' }],
      ...fields,
    },
    { baseDir: '/', env: {} },
  );
  source.produce(P0, 0);
  const bridge = new Bridge(config, { logger: log.logger, ports: { source, temporal } });
  const started = bridge.start();
  await clock.advance(100);
  await started;
  return {
    bridge,
    source,
    temporal,
    log,
    scrape: async () => new Scrape(await bridge.metrics()),
    close: async (): Promise<void> => {
      const closing = bridge.close();
      await clock.advance(60_000);
      await closing;
    },
  };
}
