import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { bridgeCommand } from './bridge-command.js';
import { capacityCommand } from './capacity-command.js';
import { completionCommand } from './completion-command.js';
import { devCommand } from './dev-command.js';
import { failedCommand } from './failed-command.js';
import { healthCommand } from './health-command.js';
import { limitCommand } from './limit-command.js';
import { pauseCommand, resumeCommand } from './pause-command.js';
import { produceCommand } from './produce-command.js';
import { quarantineCommand } from './quarantine-command.js';
import { replayCommand } from './replay-command.js';
import { reprocessCommand } from './reprocess-command.js';
import { statusCommand } from './status-command.js';
import { doctorCommand } from './doctor-command.js';
import { setupCommand } from './setup-command.js';
import { tailCommand } from './tail-command.js';
import { workerCommand } from './worker-command.js';

/** Exit codes: 0 done, 1 failed, 2 wrong use, 3 found something. */
export function program(): Command {
  const ktb = new Command('ktb')
    .description('Kafka records become Temporal workflows, once each.')
    .version(version(), '--version', 'print the version')
    .addHelpText(
      'after',
      `
Examples:
  ktb dev                      a local Kafka and Temporal, with bridge and worker
  ktb bridge                   the bridge, with the temporal.config.ts found upwards from here
  ktb worker --config app/temporal.config.ts
  ktb status order-17          what became of the record with this key
  ktb failed --by reason       dead letters, by their reason
  ktb replay --reason "bank"   run them again
  ktb produce orders --file orders.jsonl
  ktb tail orders --outcomes   records as they come, and what becomes of them
  ktb capacity --watch         what the workers can take, live
  ktb doctor                   what is wrong, and what to do

Environment: KAFKA_BROKERS, TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, ... override the config file.
Exit codes: 0 done, 1 failed, 2 wrong use, 3 found something.`,
    );
  const commands = [
    bridgeCommand(),
    workerCommand(),
    devCommand(),
    setupCommand(),
    doctorCommand(),
    healthCommand(),
    statusCommand(),
    failedCommand(),
    replayCommand(),
    quarantineCommand(),
    reprocessCommand(),
    produceCommand(),
    tailCommand(),
    capacityCommand(),
    pauseCommand(),
    resumeCommand(),
    limitCommand(),
    completionCommand(() => ktb),
  ];
  for (const command of commands) ktb.addCommand(command);
  const all = [ktb, ...ktb.commands, ...ktb.commands.flatMap((command) => command.commands)];
  for (const command of all) {
    command.exitOverride();
    command.showHelpAfterError(`(${pathOf(command)} --help shows what there is)`);
  }
  return ktb;
}

/** `ktb quarantine list` */
function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

function version(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { version: string })
        .version;
    } catch {
      continue; // sources stand one folder higher than compiled files
    }
  }
  return 'unknown';
}
