import { Command } from 'commander';
import { isCloud, tcldCommand } from '../operate/search-attributes.js';
import { registerSearchAttributes, type SetupResult } from '../operate/setup.js';
import { configFrom, configOption, FOUND_SOMETHING, type ConfigFlags } from './command.js';

interface SetupFlags extends ConfigFlags {
  readonly json?: boolean;
}

export function setupCommand(): Command {
  return new Command('setup')
    .description(
      "Register the bridge's search attributes in Temporal's namespace; again, it changes nothing.",
    )
    .addOption(configOption())
    .option('--json', 'one object: namespace, added, present, missing, commands, reason')
    .addHelpText(
      'after',
      `
Once for each namespace. Where the server lets only others do it, as on Temporal Cloud, it prints the commands on
stdout and ends with 3. An attribute of that name with another type is an error.

Examples:
  ktb setup
  ktb setup | sh          runs what it printed, where somebody logged in to Cloud may do it`,
    )
    .action(async (flags: SetupFlags) => {
      const { temporal } = await configFrom(flags);
      const result = await registerSearchAttributes(temporal);
      if (flags.json === true) process.stdout.write(`${JSON.stringify(result)}\n`);
      else say(result, temporal.address);
      process.exitCode = result.missing.length > 0 ? FOUND_SOMETHING : 0;
    });
}

/** Commands are data and go to stdout; what was done, to stderr. */
function say({ namespace, added, present, missing, commands, reason }: SetupResult, address: string): void {
  const lines = [
    ...(added.length > 0 ? [`Registered in namespace ${namespace}: ${added.join(', ')}`] : []),
    ...(present.length > 0 ? [`There already: ${present.join(', ')}`] : []),
    ...(missing.length > 0
      ? [`Missing: ${missing.join(', ')} (${reason}). To be run by somebody who may:`]
      : []),
  ];
  process.stderr.write(lines.map((line) => `${line}\n`).join(''));
  process.stdout.write(commands.map((command) => `${command}\n`).join(''));
  if (missing.length > 0 && isCloud(address))
    process.stderr.write(`Or, with tcld: ${tcldCommand(namespace, missing)}\n`);
}
