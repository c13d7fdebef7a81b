import { Command, Option } from 'commander';
import { terminalProgress } from '../observe/progress.js';
import { withClient } from './client-command.js';
import { configOption, jsonOption, logLevelOption, type ConfigFlags } from './command.js';
import { confirmed, oneLine, print, printJson, say } from './output.js';
import { place, positiveNumber, wholeNumber } from './values.js';

interface ReprocessFlags extends ConfigFlags {
  readonly from: bigint | Date;
  readonly to: bigint | Date;
  readonly partition?: number;
  readonly generation: number;
  readonly dryRun?: boolean;
  readonly rate?: number;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function reprocessCommand(): Command {
  return new Command('reprocess')
    .description('Handle a stretch of a topic once more, on purpose, under keys of its own.')
    .argument('<topic>', 'the topic')
    .addOption(configOption())
    .addOption(logLevelOption())
    .addOption(
      new Option('--from <place>', 'an offset, or a time (2026-11-24T06:00:00Z, 2h)')
        .argParser(place)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--to <place>', 'an offset, without it, or a time').argParser(place).makeOptionMandatory(),
    )
    .addOption(
      new Option('--partition <n>', 'only this one; offsets need it where the topic has several').argParser(
        wholeNumber,
      ),
    )
    .addOption(
      new Option('--generation <n>', 'which handling it is: keys become <key>~g<n>')
        .argParser(wholeNumber)
        .makeOptionMandatory(),
    )
    .option('--dry-run', 'only count what would become of the records')
    .addOption(new Option('--rate <n>', 'so many starts in a second').argParser(positiveNumber))
    .option('-y, --yes', 'ask nothing')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
The bridge's own offsets are not touched. The same generation again handles nothing twice, so an interrupted one is just
run again. Handlers see the new key: effects that are remembered by it happen once more.

Examples:
  ktb reprocess orders --from 2026-11-23T00:00:00Z --to 2026-11-24T00:00:00Z --generation 2 --dry-run
  ktb reprocess orders --partition 3 --from 1400 --to 1500 --generation 2 --rate 20 --yes`,
    )
    .action(async (topic: string, flags: ReprocessFlags) => {
      await withClient(flags, async (client, _config, signal) => {
        const progress = terminalProgress();
        let step: ReturnType<typeof progress.step> | undefined;
        const { from, to, partition, generation, rate } = flags;
        const report = await client
          .reprocess(
            { topic, from, to, generation, ...(partition === undefined ? {} : { partition }) },
            {
              signal,
              dryRun: flags.dryRun ?? false,
              ...(rate === undefined ? {} : { perSecond: rate }),
              confirm: (ranges, records) =>
                confirmed(
                  `Handle about ${records} records of ${ranges.length} partitions of ${topic} again, as generation ${generation}?`,
                  flags.yes,
                ),
              onProgress: (done, total) => {
                step ??= progress.step(flags.dryRun ? 'Counting' : 'Starting');
                step.update(`${done} of about ${total}`);
              },
            },
          )
          .finally(() => step?.done());
        if (flags.json) printJson({ topic, generation, dryRun: flags.dryRun ?? false, ...report });
        else {
          for (const [outcome, count] of Object.entries(report.outcomes)) {
            const reason = report.reasons[outcome as keyof typeof report.reasons];
            if (count > 0)
              print(
                `${String(count).padStart(8)}  ${outcome}${reason === undefined ? '' : `, e.g. ${oneLine(reason)}`}`,
              );
          }
          if (report.ranges.length === 0) say('There are no records in this stretch.');
          else if (flags.dryRun) say('A dry run: nothing was started.');
          else if (!report.confirmed) say('Nothing was changed.');
        }
        if (signal.aborted) process.exitCode = 130;
      });
    });
}
