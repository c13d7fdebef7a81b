import { Command } from 'commander';
import type { RecordStatus } from '../operate/record-status.js';
import { withClient } from './client-command.js';
import { configOption, jsonOption, logLevelOption, type ConfigFlags } from './command.js';
import { keysFrom, oneLine, painted, paintedState, print, printJson, timeText } from './output.js';

interface StatusFlags extends ConfigFlags {
  readonly json?: boolean;
}

export function statusCommand(): Command {
  return new Command('status')
    .description('What became of a record: by its idempotency key, or topic/partition/offset.')
    .argument('<key...>', 'keys, places or workflow IDs; - reads them from standard input, one a line')
    .addOption(configOption())
    .addOption(logLevelOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
States: running, completed, failed, canceled, quarantined, unknown. Exit code 1 where one is unknown.

Examples:
  ktb status order-17
  ktb status orders/3/1402 --json
  cut -f1 keys.tsv | ktb status -`,
    )
    .action(async (keys: string[], flags: StatusFlags) => {
      await withClient(flags, async (client) => {
        let first = true;
        for (const key of await keysFrom(keys)) {
          const status = await client.status(key);
          if (status.state === 'unknown') process.exitCode = 1;
          if (flags.json) printJson(status);
          else {
            if (!first) print();
            show(status);
          }
          first = false;
        }
      });
    });
}

function show(status: RecordStatus): void {
  print(`${painted(oneLine(status.asked), 'bold')}  ${paintedState(status.state)}`);
  const rows: [string, string | undefined][] = [
    ['reason', status.reason === undefined ? undefined : `${status.errorType}: ${status.reason}`],
    ['result', status.result === undefined ? undefined : JSON.stringify(status.result)],
    ['workflow', status.workflowId && `${status.workflowId} (${status.workflowType})`],
    ['run', status.runId],
    ['route', status.route],
    ['started', status.startedAt === undefined ? undefined : timeText(status.startedAt)],
    ['closed', status.closedAt === undefined ? undefined : timeText(status.closedAt)],
    ['attempts', status.attempts?.toString()],
    ...status.pendingActivities.map((one): [string, string] => [
      'pending',
      [
        `${one.activityType}, attempt ${one.attempt}, ${one.state}`,
        ...(one.nextAttemptAt === undefined ? [] : [`next at ${timeText(one.nextAttemptAt)}`]),
        ...(one.lastFailure === undefined ? [] : [`last failure: ${one.lastFailure}`]),
      ].join(', '),
    ]),
    ['kafka', kafkaText(status)],
    ['reset to', status.resetEvent === undefined ? undefined : `event ${status.resetEvent}`],
    ['link', status.link],
  ];
  for (const [name, value] of rows) if (value) print(`  ${name.padEnd(9)} ${oneLine(value)}`);
  for (const other of status.others) {
    print();
    show({ ...other, asked: `also: ${other.workflowId}` });
  }
  if (status.state === 'unknown')
    print('  Temporal knows nothing of it: not read yet, older than the retention, or never there.');
}

function kafkaText({ kafka }: RecordStatus): string | undefined {
  if (!kafka) return undefined;
  const at = `${kafka.topic}/${kafka.partition}/${kafka.offset}`;
  if (kafka.committed === undefined) return `${at} (Kafka does not answer)`;
  const committed = kafka.committed ? 'committed' : 'not committed yet';
  return `${at}, ${committed}, ${kafka.inLog ? 'still in the log' : 'no longer in the log'}`;
}
