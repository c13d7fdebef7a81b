import { Command } from 'commander';
import type { CapacitySettings } from '../../workflows/capacity/contract.js';
import type { BridgeClient } from '../operate/bridge-client.js';
import { pausesText } from './capacity-view.js';
import { withClient } from './client-command.js';
import { configOption, jsonOption, logLevelOption, type ConfigFlags } from './command.js';
import { oneLine, print, printJson, say } from './output.js';

export interface DecisionFlags extends ConfigFlags {
  readonly reason?: string;
  readonly who?: string;
  readonly json?: boolean;
}

export function pauseCommand(): Command {
  return new Command('pause')
    .description('Start nothing more, of this subscription or one of its routes: records wait in Kafka.')
    .argument('[route]', "a route's ID; all of them where none is given")
    .addOption(configOption())
    .addOption(logLevelOption())
    .requiredOption('--reason <text>', 'why: bridges and ktb capacity say so')
    .option('--who <name>', 'who decided (default: you)')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
What runs goes on, and nothing is lost. A pause outlives restarts; ktb resume ends it. Kafka can pause partitions, not
routes: a partition waits at the first record of a route that is paused.

Examples:
  ktb pause --reason "the bank is down"
  ktb pause paid --reason "wrong prices since noon"`,
    )
    .action((route: string | undefined, flags: DecisionFlags) =>
      decided(flags, route, 'is paused', (client) => client.pause(route, decisionOf(flags))),
    );
}

export function resumeCommand(): Command {
  return new Command('resume')
    .description('End a pause, of this subscription or one of its routes.')
    .argument('[route]', "a route's ID; the subscription's own pause where none is given")
    .addOption(configOption())
    .addOption(logLevelOption())
    .option('--reason <text>', 'why')
    .option('--who <name>', 'who decided (default: you)')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  ktb resume
  ktb resume paid`,
    )
    .action((route: string | undefined, flags: DecisionFlags) =>
      decided(flags, route, 'goes on', (client) => client.resume(route, decisionOf(flags))),
    );
}

export function decisionOf({ reason, who }: DecisionFlags) {
  return { ...(reason === undefined ? {} : { reason }), ...(who === undefined ? {} : { who }) };
}

async function decided(
  flags: DecisionFlags,
  route: string | undefined,
  what: string,
  decide: (client: BridgeClient) => Promise<CapacitySettings>,
): Promise<void> {
  await withClient(flags, async (client, { name }) => {
    const settings = await decide(client);
    if (flags.json) return printJson(settings);
    print(oneLine(`${route === undefined ? name : `${name}/${route}`} ${what}.`));
    const ours = pausesText(settings).filter(
      (text) => text.startsWith(`${name}/`) || text.startsWith(`${name},`),
    );
    for (const pause of ours) say(oneLine(`  paused: ${pause}`));
  });
}
