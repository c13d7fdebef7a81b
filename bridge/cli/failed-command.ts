import { Command, Option } from 'commander';
import type { DeadLetterFilter } from '../operate/dead-letters.js';
import { withClient } from './client-command.js';
import { configOption, jsonOption, logLevelOption, type ConfigFlags } from './command.js';
import { oneLine, painted, print, printJson, printTable, say, timeText } from './output.js';
import { time, wholeNumber } from './values.js';

interface FailedFlags extends ConfigFlags, FilterFlags {
  readonly by?: 'reason';
  readonly limit: number;
  readonly json?: boolean;
}

/** Which dead letters: the same words at every command that takes many. */
export interface FilterFlags {
  readonly route?: string;
  readonly type?: string;
  readonly reason?: string;
  readonly since?: number;
  readonly until?: number;
  readonly query?: string;
}

export function filterOptions(): readonly Option[] {
  return [
    new Option('--route <id>', 'of this route'),
    new Option('--type <workflow>', 'of this workflow type'),
    new Option('--reason <text>', 'whose reason, error type or group has this text'),
    new Option('--since <time>', 'that ended since then (2026-11-24T06:00:00Z, 15m, 2h, 7d)').argParser(time),
    new Option('--until <time>', 'that ended before then').argParser(time),
    new Option('--query <query>', 'that match this visibility query too'),
  ];
}

export function filterFrom(flags: FilterFlags): DeadLetterFilter {
  return {
    ...(flags.route === undefined ? {} : { route: flags.route }),
    ...(flags.type === undefined ? {} : { workflowType: flags.type }),
    ...(flags.reason === undefined ? {} : { reason: flags.reason }),
    ...(flags.since === undefined ? {} : { since: flags.since }),
    ...(flags.until === undefined ? {} : { until: flags.until }),
    ...(flags.query === undefined ? {} : { query: flags.query }),
  };
}

export function failedCommand(): Command {
  const command = new Command('failed')
    .description('Dead letters: records whose handling failed for good, newest first.')
    .addOption(configOption())
    .addOption(logLevelOption())
    .addOption(new Option('--by <what>', 'grouped, the most frequent first').choices(['reason']))
    .option('--limit <n>', 'at most so many (with --by: of so many); 0 for all', wholeNumber, 100)
    .addOption(jsonOption());
  for (const option of filterOptions()) command.addOption(option);
  return command
    .addHelpText(
      'after',
      `
Records in quarantine have their own list: ktb quarantine list. Exit code 3 where there are dead letters, 0 where none.

Examples:
  ktb failed
  ktb failed --by reason --limit 0
  ktb failed --route orders:order.placed --since 2h --json | jq -r .workflowId | ktb replay - --yes`,
    )
    .action(async (flags: FailedFlags) => {
      await withClient(flags, async (client, _config, signal) => {
        const limit = flags.limit === 0 ? {} : { limit: flags.limit };
        const filter = { ...filterFrom(flags), ...limit, signal };
        const count =
          flags.by === 'reason' ? await groups(client, filter, flags) : await list(client, filter, flags);
        if (count > 0) process.exitCode = 3;
        else if (!flags.json) say('No dead letters.');
      });
    });
}

type Client = Parameters<Parameters<typeof withClient>[1]>[0];

async function list(client: Client, filter: DeadLetterFilter, flags: FailedFlags): Promise<number> {
  const rows: string[][] = [];
  let count = 0;
  for await (const letter of client.failed(filter)) {
    count++;
    // A stream for scripts; a table needs all of it.
    if (flags.json) printJson(letter);
    else {
      const at = `${letter.topic}/${letter.partition}/${letter.offset}`;
      rows.push([
        timeText(letter.failedAt),
        letter.key ?? at,
        letter.route,
        letter.status,
        `${letter.errorType}: ${letter.reason}`,
      ]);
    }
  }
  if (rows.length > 0) printTable(['FAILED (UTC)', 'KEY', 'ROUTE', 'STATUS', 'REASON'], rows);
  if (count === flags.limit) say(`Only the newest ${count} are shown: --limit shows more.`);
  return count;
}

async function groups(client: Client, filter: DeadLetterFilter, flags: FailedFlags): Promise<number> {
  const found = await client.failedByReason(filter);
  for (const group of found) {
    if (flags.json) printJson(group);
    else {
      const { example, routes, firstAt, lastAt } = group;
      const where = `${routes.join(', ')}; ${timeText(firstAt)} to ${timeText(lastAt)}`;
      print(`${painted(String(group.count).padStart(6), 'bold')}  ${oneLine(group.reason)}`);
      print(`        ${oneLine(`${where}; e.g. ${example.key ?? example.workflowId}`)}`);
    }
  }
  const count = found.reduce((sum, group) => sum + group.count, 0);
  if (count === flags.limit) say(`Only the newest ${count} were looked at: --limit 0 looks at all.`);
  return count;
}
