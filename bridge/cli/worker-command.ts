import { Command } from 'commander';
import { createLogger } from '../observe/logger.js';
import { BridgeWorker } from '../worker.js';
import { urlOf } from '../observe/http-server.js';
import { closeOnSignal, configFrom, configOption, logLevelOption, type ConfigFlags } from './command.js';
import { listenAddress } from './values.js';

interface WorkerFlags extends ConfigFlags {
  readonly metrics?: ReturnType<typeof listenAddress>;
}

export function workerCommand(): Command {
  return new Command('worker')
    .description("Run the config's workflows and activities, and the bridge's own, until SIGTERM.")
    .addOption(configOption())
    .addOption(logLevelOption())
    .option('--metrics <where>', "serves the SDK's own metrics: a port, or host:port", listenAddress)
    .addHelpText(
      'after',
      `
Two Workers in one process: yours on the task queue, ours (activity routes, quarantine) on <taskQueue>-ktb.

Examples:
  ktb worker
  ktb worker --metrics 0.0.0.0:9465
  TEMPORAL_ADDRESS=temporal:7233 ktb worker --config orders.config.ts`,
    )
    .action(async (flags: WorkerFlags) => {
      const { metrics } = flags;
      const config = await configFrom(flags);
      const logger = createLogger({ name: 'worker', level: config.logLevel });
      const worker = new BridgeWorker(config, {
        logger,
        ...(metrics === undefined
          ? {}
          : { metrics: urlOf(metrics.host ?? '127.0.0.1', metrics.port).slice('http://'.length) }),
      });
      const closed = closeOnSignal(worker);
      await worker.start();
      await Promise.race([closed, worker.finished()]);
      await worker.close();
      logger.info('stopped');
      process.exit(0);
    });
}
