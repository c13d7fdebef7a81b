import { Command } from 'commander';
import { createLogger } from '../observe/logger.js';
import { BridgeWorker } from '../worker.js';
import { closeOnSignal, configFrom, configOption, logLevelOption, type ConfigFlags } from './command.js';

export function workerCommand(): Command {
  return new Command('worker')
    .description("Run the config's workflows and activities, and the bridge's own, until SIGTERM.")
    .addOption(configOption())
    .addOption(logLevelOption())
    .addHelpText(
      'after',
      `
Two Workers in one process: yours on the task queue, ours (activity routes, quarantine) on <taskQueue>-ktb.

Examples:
  ktb worker
  TEMPORAL_ADDRESS=temporal:7233 ktb worker --config orders.config.ts`,
    )
    .action(async (flags: ConfigFlags) => {
      const config = await configFrom(flags);
      const logger = createLogger({ name: 'worker', level: config.logLevel });
      const worker = new BridgeWorker(config, { logger });
      const closed = closeOnSignal(worker);
      await worker.start();
      await Promise.race([closed, worker.finished()]);
      await worker.close();
      logger.info('stopped');
      process.exit(0);
    });
}
