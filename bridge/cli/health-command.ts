import { Command, Option } from 'commander';
import { BridgeError } from '../errors.js';
import type { HealthReport } from '../observe/health.js';
import { urlOf } from '../observe/http-server.js';
import { configFrom, configOption, jsonOption, logLevelOption, type ConfigFlags } from './command.js';
import { painted, print, printJson, timeText } from './output.js';

interface HealthFlags extends ConfigFlags {
  readonly ready?: boolean;
  readonly url?: string;
  readonly json?: boolean;
}

/** Shorter than what platforms give a probe by hand. */
const TIMEOUT_MS = 5_000;
/** Listened on, these are every address of the machine. */
const EVERYWHERE: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

export function healthCommand(): Command {
  return new Command('health')
    .description(
      'Ask a running bridge whether it is alive, or ready; for probes: exit code 0 it is, 1 it is not.',
    )
    .option('--ready', 'whether it is ready (/readyz), not whether it is alive (/healthz)')
    .addOption(
      new Option('--url <url>', "where it serves them (default: by the config's `http`, on this machine)"),
    )
    .addOption(configOption())
    .addOption(logLevelOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
With --url no configuration is loaded, which is quicker. Exit codes: 0 it is, 1 it is not or does not answer, 2 wrong use.

Examples:
  ktb health
  ktb health --ready --url http://127.0.0.1:9464`,
    )
    .action(async (flags: HealthFlags) => {
      const url = new URL(flags.ready ? 'readyz' : 'healthz', await baseOf(flags));
      const report = await ask(url);
      if (flags.json) printJson(report);
      else show(report);
      process.exitCode = report.status === 'ok' ? 0 : 1;
    });
}

async function baseOf(flags: HealthFlags): Promise<string> {
  if (flags.url !== undefined) {
    if (!URL.canParse(flags.url) || !/^https?:$/.test(new URL(flags.url).protocol))
      throw new BridgeError('KTB_USAGE', 'Expected `--url` to be an http or https URL');
    return flags.url.endsWith('/') ? flags.url : `${flags.url}/`;
  }
  const { http } = await configFrom(flags);
  if (http === undefined || http.port === 0) {
    throw new BridgeError(
      'KTB_USAGE',
      `Expected \`--url\`, or a configuration with a port (\`http.port\`), got ${http === undefined ? 'none' : 'port 0'}`,
    );
  }
  return `${urlOf(EVERYWHERE[http.host] ?? http.host, http.port)}/`;
}

/** What it says; nobody there is a report too. */
async function ask(url: URL): Promise<HealthReport> {
  const failed = (reason: string): HealthReport => ({
    status: 'failed',
    checks: [{ name: 'http', status: 'failed', reason, since: Date.now() }],
  });
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const report = (await answer.json().catch(() => undefined)) as Partial<HealthReport> | undefined;
    if ((answer.status !== 200 && answer.status !== 503) || !Array.isArray(report?.checks))
      return failed(`Expected ${url.host} to be a bridge's, got status ${answer.status}`);
    return report as HealthReport;
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: string };
    const why =
      (error as Error).name === 'TimeoutError' ? `no answer in ${TIMEOUT_MS} ms` : (code ?? 'no answer');
    return failed(`${url.host} does not answer: ${why}`);
  }
}

function show({ status, checks }: HealthReport): void {
  print(painted(status, status === 'ok' ? 'green' : 'red'));
  for (const { name, status: state, reason, since } of checks)
    print(
      `  ${name.padEnd(9)} ${state.padEnd(6)}  ${reason ?? ''}${reason ? ', ' : ''}since ${timeText(since)}`,
    );
}
