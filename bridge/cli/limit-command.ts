import { Command, InvalidArgumentError } from 'commander';
import { withClient } from './client-command.js';
import { configOption, jsonOption, logLevelOption } from './command.js';
import { oneLine, print, printJson, say } from './output.js';
import { decisionOf, type DecisionFlags } from './pause-command.js';

/** What the capacity workflow takes. */
const MOST = 100_000;

export function limitCommand(): Command {
  const limit = new Command('limit').description('How many records may be in work, set by hand.');
  for (const command of [setCommand(), autoCommand()]) limit.addCommand(command);
  return limit;
}

function setCommand(): Command {
  return new Command('set')
    .description('Set the limit: it moves no more, until ktb limit auto.')
    .argument(
      '<n>',
      'records in work, of all subscriptions on the task queue; auto: as ktb limit auto',
      limitFrom,
    )
    .addOption(configOption())
    .addOption(logLevelOption())
    .option('--reason <text>', 'why: bridges and ktb capacity say so')
    .option('--who <name>', 'who decided (default: you)')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
It outlives restarts, and what is in work over it goes on.

Examples:
  ktb limit set 20 --reason "the database is being moved"
  ktb limit auto`,
    )
    .action((limit: number | 'auto', flags: DecisionFlags) => changeLimit(limit, flags));
}

function autoCommand(): Command {
  return new Command('auto')
    .description('Let the limit move by itself again.')
    .addOption(configOption())
    .addOption(logLevelOption())
    .option('--reason <text>', 'why')
    .option('--who <name>', 'who decided (default: you)')
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  ktb limit auto')
    .action((flags: DecisionFlags) => changeLimit('auto', flags));
}

async function changeLimit(limit: number | 'auto', flags: DecisionFlags): Promise<void> {
  await withClient(flags, async (client, { capacity, temporal }) => {
    const settings = await client.setLimit(limit, decisionOf(flags));
    if (flags.json) printJson(settings);
    else if (limit === 'auto') print(oneLine(`The limit of ${temporal.taskQueue} moves by itself.`));
    else print(oneLine(`The limit of ${temporal.taskQueue} is ${limit}, until ktb limit auto.`));
    if (limit !== 'auto' && limit > capacity.maximum)
      say(`That is more than \`capacity.maximum\` of this configuration: ${capacity.maximum}.`);
  });
}

function limitFrom(text: string): number | 'auto' {
  if (text === 'auto') return text;
  const limit = /^\d+$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MOST)
    throw new InvalidArgumentError(`Expected a whole number of 1 to ${MOST}, or auto.`);
  return limit;
}
