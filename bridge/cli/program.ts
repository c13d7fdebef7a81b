import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { bridgeCommand } from './bridge-command.js';
import { devCommand } from './dev-command.js';
import { doctorCommand } from './doctor-command.js';
import { setupCommand } from './setup-command.js';
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
  ktb doctor                   what is wrong, and what to do

Environment: KAFKA_BROKERS, TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, ... override the config file.
Exit codes: 0 done, 1 failed, 2 wrong use, 3 found something.`,
    );
  for (const command of [bridgeCommand(), workerCommand(), devCommand(), setupCommand(), doctorCommand()])
    ktb.addCommand(command);
  const all = [ktb, ...ktb.commands];
  for (const command of all) {
    command.exitOverride();
    command.showHelpAfterError(
      `(${command === ktb ? 'ktb' : `ktb ${command.name()}`} --help shows what there is)`,
    );
  }
  return ktb;
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
