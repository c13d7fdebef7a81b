import { Command } from 'commander';
import { CapacityWatch } from './capacity-watch.js';
import { showCapacity } from './capacity-view.js';
import { withClient } from './client-command.js';
import { configOption, jsonOption, logLevelOption, type ConfigFlags } from './command.js';
import { printJson } from './output.js';

interface CapacityFlags extends ConfigFlags {
  readonly watch?: boolean;
  readonly json?: boolean;
}

export function capacityCommand(): Command {
  return new Command('capacity')
    .description('What the workers can take: limit, in flight, who reports, who leases, what holds it back.')
    .option('-w, --watch', 'looks once a second until Ctrl-C; in a pipe a line a change')
    .addOption(configOption())
    .addOption(logLevelOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Exit code 1 where no worker answers: then Temporal's own count is shown, and who polls.

Examples:
  ktb capacity
  ktb capacity --watch
  ktb capacity --json | jq .heldBy`,
    )
    .action(async (flags: CapacityFlags) => {
      await withClient(flags, async (client, { name }, signal) => {
        if (flags.watch) {
          const watch = new CapacityWatch({ name, json: flags.json === true, look: () => client.capacity() });
          process.exitCode = (await watch.run(signal)) ? 0 : 1;
          return;
        }
        const look = await client.capacity();
        if (!look.answers) process.exitCode = 1;
        if (flags.json) printJson(look);
        else showCapacity(look, name);
      });
    });
}
