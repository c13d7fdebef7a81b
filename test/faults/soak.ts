/**
 * `npm run soak`: what `npm test` runs small, at full size. One JSON line for each case on stdout, and one for all at
 * the end; progress on stderr. Flags: `--seed N`, `--only once,outages,memory,idle,replay,deploy,limit,
 * flood,producer`, `--scale 0.1`, `--match TEXT` for cases whose name has it.
 */
import { parseArgs } from 'node:util';
import { startLocalStack, type LocalStack } from '../../bridge/local-stack/local-stack.js';
import { terminalProgress } from '../../bridge/observe/progress.js';
import { messageOf } from '../../bridge/errors.js';
import { flood, quantile } from './scenarios/flood.js';
import { idleCpu } from './scenarios/idle.js';
import { leadersMove } from './scenarios/leaders-move.js';
import { limitUnderKills } from './scenarios/limit-under-kills.js';
import { memoryUnderBacklog } from './scenarios/memory.js';
import { once } from './scenarios/once.js';
import { outage, type OutageOptions } from './scenarios/outage.js';
import { producerAway } from './scenarios/producer-away.js';
import { replayMany } from './scenarios/replay-many.js';
import { rollingDeploy } from './scenarios/rolling-deploy.js';
import { isTrue } from './send-ledger.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string', default: 'once,outages,memory,idle,replay,deploy,limit,flood,producer' },
    scale: { type: 'string', default: '1' },
    match: { type: 'string', default: '' },
  },
});
const seed = Number(values.seed);
const scale = Number(values.scale);
const only = new Set(values.only.split(','));
const progress = terminalProgress();
const reports: Record<string, unknown>[] = [];

interface Done {
  readonly ok: boolean;
  readonly report: unknown;
}

/** With servers of its own for each case: what one leaves behind must not help or hurt the next. */
async function run(name: string, work: (stack: LocalStack) => Promise<Done>): Promise<void> {
  await runAlone(name, async () => {
    await using stack = await startLocalStack({ ports: 'free', ui: false });
    return await work(stack);
  });
}

/** It starts what it needs. */
async function runAlone(name: string, work: () => Promise<Done>): Promise<void> {
  if (!name.includes(values.match)) return;
  const step = progress.step(name);
  try {
    const { ok, report } = await work();
    reports.push({ case: name, ok, report });
    if (ok) step.done();
    else step.fail('not as it must be');
  } catch (error) {
    reports.push({ case: name, ok: false, error: messageOf(error) });
    step.fail(messageOf(error));
  }
  process.stdout.write(`${JSON.stringify(reports.at(-1))}\n`);
}

const sized = (count: number) => Math.max(1, Math.round(count * scale));

if (only.has('once')) {
  await run(`once: ${sized(20_000)} records, five kills, a second bridge, seed ${seed}`, async (stack) => {
    const report = await once({
      stack,
      seed,
      records: sized(20_000),
      duplicates: 0.1,
      partitions: 8,
      bridgeKills: 5,
      workerKills: 2,
      killEveryMs: [5_000, 15_000],
      timeoutMs: 3_600_000,
      log: (line) => process.stderr.write(`${line}\n`),
    });
    return { ok: report.verdict.ok && report.callsOfDuplicates === 0, report };
  });
}

if (only.has('outages')) {
  const cases: readonly Pick<OutageOptions, 'who' | 'how' | 'forMs'>[] = [
    { who: ['kafka'], how: 'killed', forMs: 30_000 },
    { who: ['kafka'], how: 'stopped', forMs: 30_000 },
    { who: ['temporal'], how: 'killed', forMs: 60_000 },
    { who: ['temporal'], how: 'stopped', forMs: 60_000 },
    { who: ['kafka', 'temporal'], how: 'killed', forMs: 60_000 },
    { who: ['kafka', 'temporal'], how: 'stopped', forMs: 60_000 },
    { who: ['worker'], how: 'killed', forMs: 30_000 },
    { who: ['worker'], how: 'stopped', forMs: 30_000 },
  ];
  for (const one of cases) {
    const forMs = sized(one.forMs);
    await run(`outage: ${one.who.join(' and ')} ${one.how} for ${forMs / 1000} s`, async (stack) => {
      const report = await outage({ ...one, forMs, stack, records: 600, timeoutMs: 900_000 });
      return { ok: report.verdict.ok && report.quarantined === 0, report };
    });
  }
}

if (only.has('memory')) {
  for (const [records, valueBytes] of [
    [500_000, 200],
    [5_000, 100_000],
  ] as const) {
    for (const partitions of [8, 100]) {
      const count = sized(records);
      await run(
        `memory: ${count} records of ${valueBytes} B over ${partitions} partitions, no worker`,
        async (stack) => {
          const report = await memoryUnderBacklog({ stack, records: count, valueBytes, partitions });
          return { ok: report.growthMb <= 80, report };
        },
      );
    }
  }
}

if (only.has('idle')) {
  await run('idle: the share of a core that a bridge takes with nothing to do', async (stack) => {
    const report = await idleCpu({ stack, seconds: sized(60) });
    return { ok: report.share < 0.02, report };
  });
}

if (only.has('replay')) {
  // Without a rate jobs on the server do it; with one it must be kept.
  for (const perSecond of [undefined, 20]) {
    const how = perSecond === undefined ? 'as fast as the server can' : `${perSecond} a second`;
    await run(`replay: ${sized(2_000)} dead letters, ${how}, seed ${seed}`, async (stack) => {
      const report = await replayMany({
        stack,
        seed,
        records: sized(2_000),
        ...(perSecond === undefined ? {} : { perSecond }),
        workerKills: 4,
        killEveryMs: [2_000, 8_000],
        timeoutMs: 1_800_000,
        log: (line) => process.stderr.write(`${line}\n`),
      });
      const { verdict, handledTwice, command, rate } = report;
      const done = command.exitCode === 0 && rate.resets === report.records;
      return { ok: verdict.ok && handledTwice === 0 && done && rate.kept, report };
    });
  }
}

if (only.has('deploy')) {
  await run('deploy: two workers and two bridges replaced under load', async (stack) => {
    const report = await rollingDeploy({
      stack,
      perSecond: 12,
      records: sized(3_000),
      partitions: 8,
      rounds: sized(4),
      timeoutMs: 600_000,
      log: (line) => process.stderr.write(`${line}\n`),
    });
    const { verdict, drainedInOrder, slowestBackMs } = report;
    const once = verdict.ok && verdict.repeatedCalls === 0;
    return { ok: once && drainedInOrder && slowestBackMs <= 30_000, report };
  });
}

if (only.has('limit')) {
  await run(`limit: two bridges, two workers, kills of each, seed ${seed}`, async (stack) => {
    const report = await limitUnderKills({
      stack,
      seed,
      records: sized(4_000),
      limit: 40,
      bridgeKills: sized(8),
      workerKills: sized(8),
      killEveryMs: [5_000, 15_000],
      timeoutMs: 1_800_000,
      log: (line) => process.stderr.write(`${line}\n`),
    });
    const most = Math.max(report.mostByTemporal, report.mostByHandlers);
    return { ok: report.verdict.ok && most <= report.limit * 1.1, report };
  });
}

if (only.has('flood')) {
  await run('flood: low priority at ten times what the workers take, and a little of high', async (stack) => {
    const report = await flood({
      stack,
      lowPerSecond: 200,
      slots: 1,
      seconds: sized(300),
      timeoutMs: 600_000,
    });
    const p99 = { own: quantile(report.own, 0.99), mixed: quantile(report.mixed, 0.99) };
    const { lowHandled, lowSent, own } = report;
    return {
      ok: p99.own <= 1_000 && p99.mixed <= 1_000,
      report: { lowHandled, lowSent, high: own.length * 2, p99Ms: p99 },
    };
  });
}

if (only.has('producer')) {
  const rounds = sized(5);
  await runAlone(`producer: leaders that move over three brokers, ${rounds} rounds`, async () => {
    const log = (line: string) => process.stderr.write(`${line}\n`);
    const report = await leadersMove({ rounds, perSecond: 300, log });
    return { ok: isTrue(report), report };
  });
  const forMs = sized(300_000);
  await runAlone(`producer: the broker away for ${forMs / 1000} s`, async () => {
    const report = await producerAway({ forMs, perSecond: 500, timeoutMs: 900_000 });
    // The buffer, and as many that are read back from the file.
    const bounded = report.mostBuffered <= 2_000 && report.growthMb <= 150;
    return { ok: isTrue(report) && bounded, report };
  });
}

const ok = reports.every((one) => one['ok'] === true);
process.stdout.write(
  `${JSON.stringify({ soak: { seed, scale, ok, cases: reports.length, failed: reports.filter((one) => one['ok'] !== true).map((one) => one['case']) } })}\n`,
);
process.exitCode = ok ? 0 : 1;
