import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { BridgeError } from '../errors.js';
import type { QuarantinedDetail, ResolveAction } from '../operate/quarantine.js';
import { withClient } from './client-command.js';
import { configOption, jsonOption, logLevelOption, type ConfigFlags } from './command.js';
import {
  confirmed,
  keysFrom,
  oneLine,
  paintedState,
  print,
  printJson,
  printTable,
  say,
  timeText,
} from './output.js';
import { runOptions, showReplay, type ReplayFlags } from './replay-command.js';
import { time, wholeNumber } from './values.js';
import type { QuarantineReason } from '../../workflows/contract.js';

const CAUSES: readonly QuarantineReason[] = [
  'undecodable',
  'unroutable',
  'invalid-key',
  'missing-key',
  'conflict',
  'foreign',
  'oversized',
  'rejected',
];

export function quarantineCommand(): Command {
  return new Command('quarantine')
    .description('Records that could not be taken: list, show, retry, resolve.')
    .addHelpText(
      'after',
      `
Examples:
  ktb quarantine list --cause undecodable --since 1h
  ktb quarantine show orders/3/1402
  ktb quarantine retry orders/3/1402 --wait
  ktb quarantine resolve orders/3/1402 --start-as order-17-corrected --why "ticket 812"`,
    )
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(retryCommand())
    .addCommand(resolveCommand());
}

interface ListFlags extends ConfigFlags {
  readonly topic?: string;
  readonly route?: string;
  readonly cause?: QuarantineReason;
  readonly since?: number;
  readonly until?: number;
  readonly all?: boolean;
  readonly limit: number;
  readonly json?: boolean;
}

function listCommand(): Command {
  return new Command('list')
    .description('What stands in quarantine, newest first. Exit code 3 where there is something.')
    .addOption(configOption())
    .addOption(logLevelOption())
    .option('--topic <topic>', 'of this topic')
    .option('--route <id>', 'of this route')
    .addOption(new Option('--cause <cause>', 'that came for this reason').choices(CAUSES))
    .addOption(
      new Option('--since <time>', 'that came since then (2026-11-24T06:00:00Z, 15m, 2h, 7d)').argParser(
        time,
      ),
    )
    .addOption(new Option('--until <time>', 'that came before then').argParser(time))
    .option('--all', 'those that went through later as well')
    .option('--limit <n>', 'at most so many; 0 for all', wholeNumber, 100)
    .addOption(jsonOption())
    .action(async (flags: ListFlags) => {
      await withClient(flags, async (client, _config, signal) => {
        const { topic, route, cause, since, until, all, limit } = flags;
        const given = Object.entries({ topic, route, cause, since, until, all }).filter(
          ([, one]) => one !== undefined,
        );
        const rows: string[][] = [];
        let count = 0;
        const found = client.quarantine.list({
          ...Object.fromEntries(given),
          ...(limit === 0 ? {} : { limit }),
          signal,
        });
        for await (const one of found) {
          count++;
          if (flags.json) printJson(one);
          else
            rows.push([
              timeText(one.since),
              `${one.topic}/${one.partition}/${one.offset}`,
              one.cause,
              one.state,
              one.reason,
            ]);
        }
        if (rows.length > 0) printTable(['SINCE (UTC)', 'RECORD', 'CAUSE', 'STATE', 'REASON'], rows);
        if (count > 0) process.exitCode = 3;
        else if (!flags.json) say('Nothing stands in quarantine.');
      });
    });
}

function showCommand(): Command {
  return new Command('show')
    .description('One record in quarantine, with all that is kept of it.')
    .argument('<record>', 'topic/partition/offset, a key, or a workflow ID')
    .addOption(configOption())
    .addOption(logLevelOption())
    .option('--value', "only the record's value, as bytes, on standard output")
    .addOption(jsonOption())
    .action(async (which: string, flags: ConfigFlags & { value?: boolean; json?: boolean }) => {
      await withClient(flags, async (client) => {
        const detail = await client.quarantine.show(which);
        if (flags.value) process.stdout.write(Buffer.from(detail.input.raw?.value ?? '', 'base64'));
        else if (flags.json) printJson(detail);
        else show(detail);
      });
    });
}

function show(detail: QuarantinedDetail): void {
  const { input } = detail;
  print(`${input.topic}/${input.partition}/${input.offset}  ${paintedState(detail.state)}`);
  const rows: [string, string | undefined][] = [
    ['cause', detail.cause],
    ['reason', detail.reason || input.message],
    ['route', detail.route || undefined],
    ['record of', timeText(input.timestamp)],
    ['value', input.valueBytes === null ? 'null' : `${input.valueBytes} bytes, sha256 ${input.valueSha256}`],
    ['preview', input.preview ?? undefined],
    ['key', text(input.raw?.key)],
    ...Object.entries(input.raw?.headers ?? {}).map(([name, value]): [string, string] => [
      'header',
      `${name}: ${[value]
        .flat()
        .map((one) => text(one))
        .join(', ')}`,
    ]),
    [
      'kept',
      input.raw === null
        ? `only its place${input.keptUntil === undefined ? '' : `; Kafka has it until ${input.keptUntil}`}`
        : undefined,
    ],
    [
      'decided',
      detail.decision && `${detail.decision.action} by ${detail.decision.who}: ${detail.decision.why}`,
    ],
    ['workflow', detail.workflowId],
    ['link', detail.link],
  ];
  for (const [name, value] of rows) if (value !== undefined) print(`  ${name.padEnd(9)} ${oneLine(value)}`);
}

function text(base64: string | null | undefined): string | undefined {
  return base64 === null || base64 === undefined ? undefined : Buffer.from(base64, 'base64').toString('utf8');
}

function retryCommand(): Command {
  const command = new Command('retry')
    .description('Send records through once more, after the decoder or the route was mended.')
    .argument(
      '[record...]',
      'topic/partition/offset, keys or workflow IDs; - reads them from standard input; none: all that wait',
    )
    .addOption(configOption())
    .addOption(logLevelOption())
    .option('--topic <topic>', 'all of this topic')
    .option('--route <id>', 'all of this route')
    .addOption(new Option('--cause <cause>', 'all that came for this reason').choices(CAUSES));
  for (const option of runOptions().filter(({ long }) => long !== '--reapply')) command.addOption(option);
  return command.action(
    async (records: string[], flags: ReplayFlags & Pick<ListFlags, 'topic' | 'route' | 'cause'>) => {
      const named = await keysFrom(records);
      await withClient(flags, async (client, _config, signal) => {
        const all: string[] = [];
        if (named.length === 0) {
          const { topic, route, cause } = flags;
          const given = Object.entries({ topic, route, cause }).filter(([, one]) => one !== undefined);
          for await (const { workflowId, state } of client.quarantine.list({
            ...Object.fromEntries(given),
            signal,
          }))
            if (state === 'waiting') all.push(workflowId);
          if (all.length === 0) return say('Nothing stands in quarantine.');
        }
        await showReplay(flags, signal, (options) =>
          client.quarantine.retry(named.length > 0 ? named : all, options),
        );
      });
    },
  );
}

interface ResolveFlags extends ConfigFlags {
  readonly drop?: boolean;
  readonly startAs?: string;
  readonly value?: string;
  readonly why: string;
  readonly who?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

function resolveCommand(): Command {
  return new Command('resolve')
    .description('Decide about a record in quarantine. Who and why stand in its history.')
    .argument(
      '<record...>',
      'topic/partition/offset, a key, or a workflow ID; several with --drop only; - reads them from standard input',
    )
    .addOption(configOption())
    .addOption(logLevelOption())
    .option('--drop', 'it is not handled')
    .option('--start-as <key>', 'it is handled under this idempotency key')
    .option('--value <file>', 'it is handled with the bytes of this file as its value')
    .requiredOption('--why <text>', 'the reason of the decision')
    .option('--who <name>', 'who decided (default: you)')
    .option('-y, --yes', 'ask nothing')
    .addOption(jsonOption())
    .action(async (given: string[], flags: ResolveFlags) => {
      const action = await actionFrom(flags);
      const records = await keysFrom(given);
      if (records.length !== 1 && action.action !== 'drop')
        throw new BridgeError(
          'KTB_USAGE',
          `Expected one record with --start-as and --value, got ${records.length}`,
        );
      const what = {
        drop: 'Drop',
        startAs: `Start as ${flags.startAs}`,
        replaceValue: 'Replace the value of',
      }[action.action];
      const many = records.length === 1 ? oneLine(records[0]!) : `${records.length} records`;
      if (!(await confirmed(`${what} ${many}?`, flags.yes))) return say('Nothing was changed.');
      await withClient(flags, async (client) => {
        const { why, who } = flags;
        for (const record of records) {
          const result = await client.quarantine.resolve(record, action, {
            why,
            ...(who === undefined ? {} : { who }),
          });
          if (flags.json) printJson({ record, action: action.action, ...result });
          else print(`${oneLine(record)}: decided; ${result.workflowId} goes on (run ${result.runId})`);
        }
      });
    });
}

async function actionFrom({ drop, startAs, value }: ResolveFlags): Promise<ResolveAction> {
  const given = [drop === true, startAs !== undefined, value !== undefined].filter(Boolean).length;
  if (given !== 1)
    throw new BridgeError(
      'KTB_USAGE',
      `Expected one of --drop, --start-as and --value, got ${given === 0 ? 'none' : 'several'}`,
    );
  if (startAs !== undefined) return { action: 'startAs', key: startAs };
  if (value === undefined) return { action: 'drop' };
  try {
    return { action: 'replaceValue', value: await readFile(value) };
  } catch (error) {
    throw new BridgeError('KTB_USAGE', `Expected --value to be a file that can be read, got ${value}`, {
      cause: error,
    });
  }
}
