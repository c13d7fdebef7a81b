import { Command } from 'commander';
import { examine } from '../operate/doctor.js';
import { isTrouble, type Finding, type FindingLevel } from '../operate/doctor/finding.js';
import { configFrom, configOption, FOUND_SOMETHING, type ConfigFlags } from './command.js';

interface DoctorFlags extends ConfigFlags {
  readonly json?: boolean;
  readonly probe: boolean;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'Look at Temporal, Kafka, the group, bridges and workers, and say what is wrong and what to do.',
    )
    .addOption(configOption())
    .option('--json', 'one object a line: check, level (ok, warning, problem, skipped), message, advice')
    .option(
      '--no-probe',
      'without starting (and deleting) an execution that shows what the server makes of IDs and priorities',
    )
    .addHelpText(
      'after',
      `
It changes nothing, but for the probe. Run it with the configuration that is deployed: it is compared with what runs.
Exit codes: 0 nothing found, 3 found something, 1 it could not do its work, 2 wrong use.

Examples:
  ktb doctor
  ktb doctor --json | jq 'select(.level == "problem")'
  TEMPORAL_ADDRESS=temporal:7233 ktb doctor --config orders.config.ts`,
    )
    .action(async (flags: DoctorFlags) => {
      const config = await configFrom(flags);
      const print = flags.json === true ? printJson : printerFor(process.stdout);
      const findings = await examine(config, { probe: flags.probe, onFinding: print });
      if (flags.json !== true) process.stdout.write(`\n${summary(findings)}\n`);
      process.exitCode = findings.some(isTrouble) ? FOUND_SOMETHING : 0;
      // A client that hangs must not keep the process: all is said.
      setTimeout(() => process.exit(), 1_000).unref();
    });
}

function printJson({ check, level, message, advice }: Finding): void {
  process.stdout.write(`${JSON.stringify({ check, level, message, advice })}\n`);
}

const MARKS: Readonly<Record<FindingLevel, { readonly mark: string; readonly colour: number }>> = {
  ok: { mark: '✔', colour: 32 },
  warning: { mark: '⚠', colour: 33 },
  problem: { mark: '✖', colour: 31 },
  skipped: { mark: '–', colour: 90 },
};

/** A line for what was found, and one below it for what to do. Colours on a terminal only. */
export function printerFor(
  stream: NodeJS.WritableStream & { readonly isTTY?: boolean },
  env: NodeJS.ProcessEnv = process.env,
): (finding: Finding) => void {
  const colours = stream.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
  return ({ check, level, message, advice }) => {
    const { mark, colour } = MARKS[level];
    const painted = colours ? `\u001b[${colour}m${mark}\u001b[0m` : mark;
    stream.write(`${painted} ${check.padEnd(18)} ${message}\n`);
    if (advice !== null) stream.write(`${' '.repeat(21)}→ ${advice}\n`);
  };
}

/** `2 problems, 1 warning`. */
export function summary(findings: readonly Pick<Finding, 'level'>[]): string {
  const count = (level: FindingLevel) => findings.filter((one) => one.level === level).length;
  const parts = (['problem', 'warning'] as const)
    .map((level) => ({ level, many: count(level) }))
    .filter(({ many }) => many > 0)
    .map(({ level, many }) => `${many} ${level}${many === 1 ? '' : 's'}`);
  const notChecked = count('skipped');
  return [
    parts.length === 0 ? 'Nothing found' : parts.join(', '),
    ...(notChecked > 0 ? [`${notChecked} not checked`] : []),
  ].join('; ');
}
