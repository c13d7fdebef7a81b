import { Command, InvalidArgumentError } from 'commander';
import { Bridge } from '../bridge.js';
import { DEFAULTS } from '../config/defaults.js';
import { createLogger } from '../observe/logger.js';
import { closeOnSignal, configFrom, configOption, logLevelOption, type ConfigFlags } from './command.js';
import { listenAddress } from './values.js';

interface BridgeFlags extends ConfigFlags {
  readonly rename?: boolean;
  readonly reportEvery: number;
  readonly http?: ReturnType<typeof listenAddress>;
}

export function bridgeCommand(): Command {
  return new Command('bridge')
    .description('Read Kafka and start a workflow for each record, until SIGTERM.')
    .addOption(configOption())
    .addOption(logLevelOption())
    .option('--rename', 'take over a group that a subscription of another name has committed in')
    .option('--report-every <seconds>', 'how often the counts are logged, while they change', seconds, 10)
    .option('--http <where>', 'serves /healthz, /readyz and /metrics: a port, or host:port', listenAddress)
    .addHelpText(
      'after',
      `
It waits for Kafka and Temporal, and outlives minutes without either. SIGTERM drains under \`drainTimeoutMs\` and commits;
a second signal stops at once. What was started and not committed is met again after a restart, and nothing runs twice.

Examples:
  ktb bridge
  ktb bridge --http 0.0.0.0:9464
  KAFKA_BROKERS=kafka-1:9092,kafka-2:9092 TEMPORAL_ADDRESS=temporal:7233 ktb bridge --config orders.config.ts`,
    )
    .action(async (flags: BridgeFlags) => {
      const given = await configFrom(flags);
      const config =
        flags.http === undefined
          ? given
          : { ...given, http: { ...DEFAULTS.http, ...given.http, ...flags.http } };
      const logger = createLogger({ name: 'bridge', level: config.logLevel });
      const bridge = new Bridge(config, { logger, rename: flags.rename ?? false });
      const closed = closeOnSignal(bridge);
      const report = reporter(bridge, logger);
      const timer = setInterval(report, flags.reportEvery * 1000);
      try {
        await bridge.start();
        await closed;
      } catch (error) {
        await bridge.close();
        throw error;
      } finally {
        clearInterval(timer);
        report();
      }
      // An open socket of a client that hangs must not keep the process: everything was closed or given up.
      process.exit(0);
    });
}

/** Logs the counts when they have changed. */
function reporter(bridge: Bridge, logger: ReturnType<typeof createLogger>): () => void {
  let last = '';
  return () => {
    const status = bridge.status();
    const { outcomes, buffered, inFlight, backlog, gates, pressure, partitions, holds } = status;
    const lag = partitions.reduce(
      (sum, { logEnd, committed }) => sum + Number(logEnd - (committed ?? logEnd)),
      0,
    );
    const counts = {
      outcomes,
      lag,
      buffered: buffered.records,
      inFlight,
      backlog,
      gates,
      limit: status.limit,
      circuit: status.circuit,
      paused: status.paused,
      pressure: pressure.reasons,
      pollRecords: pressure.pollRecords,
      deferred: pressure.deferred,
      held: holds.map((hold) => hold.scope),
    };
    const now = JSON.stringify(counts);
    if (now === last) return;
    last = now;
    logger.info(counts, 'counts');
  };
}

function seconds(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0.1)
    throw new InvalidArgumentError('Expected a number of seconds, at least 0.1.');
  return value;
}
