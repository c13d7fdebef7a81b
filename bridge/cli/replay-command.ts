import { Command, Option } from 'commander';
import { BridgeError } from '../errors.js';
import { terminalProgress } from '../observe/progress.js';
import type { ReplaySelector } from '../operate/bridge-client.js';
import type { ReplayOptions, ReplayPlan, ReplayProgress, ReplayReport } from '../operate/replay-report.js';
import { withClient } from './client-command.js';
import { configOption, jsonOption, logLevelOption, type ConfigFlags } from './command.js';
import { filterFrom, filterOptions, type FilterFlags } from './failed-command.js';
import { confirmed, keysFrom, oneLine, paintedState, print, printJson, printTable, say } from './output.js';
import { positiveNumber } from './values.js';

export interface ReplayFlags extends ConfigFlags {
  readonly from?: 'failing-step' | 'start';
  readonly dryRun?: boolean;
  readonly rate?: number;
  readonly check?: boolean;
  readonly reapply?: ReplayOptions['reapply'];
  readonly why?: string;
  readonly wait?: number | boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** Seconds, where `--wait` has no number. */
const WAIT_SECONDS = 300;

export function replayCommand(): Command {
  const command = new Command('replay')
    .description('Run dead letters again, once the cause is mended: by key, or all that match.')
    .argument(
      '[key...]',
      'keys, places (topic/partition/offset) or workflow IDs; - reads them from standard input',
    )
    .addOption(configOption())
    .addOption(logLevelOption());
  for (const option of filterOptions()) command.addOption(option);
  command
    .addOption(
      new Option('--from <where>', 'the step that failed, or all of it')
        .choices(['failing-step', 'start'])
        .default('failing-step'),
    )
    .option('--no-check', "without trying today's workflow code on the histories first");
  for (const option of runOptions()) command.addOption(option);
  return command
    .addHelpText(
      'after',
      `
Each is reset in Temporal to the step that failed; steps that had finished do not run again. Before that its history up to
there is replayed with the workflows of worker.workflowsPath: where changed code no longer fits, it is left out and said.
From 100 on, a job on the server does the resets, and goes on when this command ends; its ID is printed. It keeps no rate:
with --rate this command sends them itself, and where it was interrupted it is just run again.
Exit code 1 where one was not reset, or failed again while --wait watched.

Examples:
  ktb replay order-17 --wait
  ktb replay --reason "card service" --since 2h --dry-run
  ktb replay --route payments --rate 20 --yes
  ktb failed --json | jq -r .workflowId | ktb replay - --yes`,
    )
    .action(async (keys: string[], flags: ReplayFlags & FilterFlags) => {
      const selector = await selectorFrom(keys, flags);
      await withClient(flags, async (client, _config, signal) => {
        await showReplay(flags, signal, (options) => client.replay(selector, options));
      });
    });
}

/** What every command that runs things again takes. */
export function runOptions(): readonly Option[] {
  return [
    new Option('--dry-run', 'only say what would be done'),
    new Option('--rate <n>', 'so many in a second').argParser(positiveNumber),
    new Option('--reapply <what>', 'which later events are kept').choices([
      'all',
      'signals',
      'updates',
      'none',
    ]),
    new Option('--why <text>', 'stands in the history of each, with who you are'),
    new Option('--wait [seconds]', `watch until each has closed (default ${WAIT_SECONDS} s)`).argParser(
      positiveNumber,
    ),
    new Option('-y, --yes', 'ask nothing'),
    jsonOption(),
  ];
}

async function selectorFrom(keys: readonly string[], flags: FilterFlags): Promise<ReplaySelector> {
  const filter = filterFrom(flags);
  const filtered = Object.keys(filter).length > 0;
  if (keys.length > 0 && filtered)
    throw new BridgeError(
      'KTB_USAGE',
      'Expected either keys or a filter (--query, --reason, --route, ...), got both',
    );
  if (keys.length === 0 && !filtered)
    throw new BridgeError(
      'KTB_USAGE',
      'Expected keys, or a filter (--query, --reason, --route, --type, --since), got neither',
    );
  return keys.length > 0 ? { keys: await keysFrom(keys) } : filter;
}

/** Progress, the question, and the closing table of a replay. */
export async function showReplay(
  flags: ReplayFlags,
  signal: AbortSignal,
  run: (options: ReplayOptions) => Promise<ReplayReport>,
): Promise<void> {
  const { onProgress, end } = progressOf();
  const seconds = flags.wait === true ? WAIT_SECONDS : Number(flags.wait ?? 0);
  const report = await run({
    signal,
    from: flags.from ?? 'failing-step',
    check: flags.check !== false,
    dryRun: flags.dryRun ?? false,
    waitMs: seconds * 1000,
    ...(flags.reapply === undefined ? {} : { reapply: flags.reapply }),
    ...(flags.rate === undefined ? {} : { perSecond: flags.rate }),
    ...(flags.why === undefined ? {} : { why: flags.why }),
    confirm: async (plan) => {
      end();
      if (!flags.json) sayLeftOut(plan);
      return confirmed(`Replay ${countText(plan.ready)}?`, flags.yes);
    },
    onProgress,
  }).finally(end);
  if (flags.json) jsonOf(report).forEach((one) => printJson(one));
  else printReport(report, flags);
  const bad = report.replayed.some(({ state }) => state === 'not-reset' || state === 'failed');
  const leftOut = report.notFound.length > 0 || report.ready < report.entries.length;
  if (bad || leftOut) process.exitCode = 1;
}

function countText(count: number): string {
  return count === 1 ? '1 record' : `${count} records`;
}

const TITLES: Readonly<Record<ReplayProgress['step'], string>> = {
  looking: 'Looking for dead letters',
  checking: "Trying today's workflow code on their histories",
  resetting: 'Resetting',
  waiting: 'Waiting until they have closed',
};

function progressOf(): { onProgress: (progress: ReplayProgress) => void; end: () => void } {
  const progress = terminalProgress();
  let step: ReturnType<typeof progress.step> | undefined;
  let title = '';
  let detail = '';
  const end = () => {
    step?.done(detail);
    step = undefined;
    title = '';
  };
  return {
    end,
    onProgress: (now) => {
      if (TITLES[now.step] !== title) {
        end();
        title = TITLES[now.step];
        step = progress.step(title);
      }
      detail =
        'count' in now
          ? String(now.count)
          : now.step === 'resetting'
            ? `${now.done} of ${now.total}${now.jobId === undefined ? '' : `, job ${now.jobId}`}`
            : `${now.closed} of ${now.total}`;
      step?.update(detail);
    },
  };
}

function sayLeftOut({ entries }: ReplayPlan): void {
  for (const { letter, message } of entries.filter(({ readiness }) => readiness !== 'ready').slice(0, 20))
    say(oneLine(`Left out: ${letter.key ?? letter.workflowId}: ${message}`));
}

/** What `--json` prints: an object for each dead letter, and for each key that means none. */
export function jsonOf(report: ReplayReport): readonly object[] {
  const outcomes = new Map(report.replayed.map((one) => [one.workflowId, one]));
  const entries = report.entries.map(({ letter, eventId, readiness, message }) => {
    const outcome = outcomes.get(letter.workflowId);
    return {
      workflowId: letter.workflowId,
      key: letter.key,
      readiness,
      eventId,
      message,
      runId: outcome?.runId,
      state: outcome?.state,
      reason: outcome?.reason,
    };
  });
  return [...entries, ...report.notFound.map((key) => ({ key, readiness: 'not-found' }))];
}

function printReport(report: ReplayReport, flags: ReplayFlags): void {
  for (const key of report.notFound) say(oneLine(`No dead letter: ${key}`));
  if (report.entries.length === 0) return say('Nothing to replay.');
  if (!report.confirmed) {
    sayLeftOut(report);
    printTable(
      ['KEY', 'ROUTE', 'RESET TO', 'READY', 'REASON'],
      report.entries.map(({ letter, eventId, readiness }) => [
        letter.key ?? letter.workflowId,
        letter.route,
        eventId === undefined ? '-' : `event ${eventId}`,
        readiness,
        letter.reason,
      ]),
    );
    say(flags.dryRun ? `A dry run: ${countText(report.ready)} would be replayed.` : 'Nothing was changed.');
    return;
  }
  const counts = new Map<string, number>();
  for (const { state } of report.replayed) counts.set(state, (counts.get(state) ?? 0) + 1);
  for (const [state, count] of counts) print(`${String(count).padStart(6)}  ${paintedState(state)}`);
  for (const { workflowId, state, reason } of report.replayed
    .filter((one) => one.reason !== undefined)
    .slice(0, 20))
    print(`        ${oneLine(`${workflowId}: ${state}: ${reason}`)}`);
  for (const job of report.jobs) say(`Job on the server: ${job}`);
}
