/** Waits until every record has its outcome and every workflow has closed, and shows how it goes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { env, print } from './environment.js';

const DEADLINE_MS = 180_000;
/** Off a terminal each look would be one more line. */
const LINE_EVERY_MS = 5_000;

export interface Seen {
  /** As the bridge counted them. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Workflows, as Temporal counts them. */
  readonly completed: number;
  readonly running: number;
  readonly failed: number;
  readonly quarantined: number;
}

/** @param begun only what is started from then on counts: a kept stack has the executions of earlier demos */
export async function settle(records: number, begun: Date): Promise<Seen> {
  const connection = await Connection.connect({ address: env('TEMPORAL_ADDRESS') });
  const client = new Client({ connection, namespace: env('TEMPORAL_NAMESPACE') });
  const deadline = Date.now() + DEADLINE_MS;
  const show = progress();
  for (;;) {
    const seen = await look(client, begun);
    const settled = Object.values(seen.outcomes).reduce((sum, count) => sum + count, 0);
    show(
      `settled ${settled}/${records}   completed ${seen.completed}   running ${seen.running}   ` +
        `failed ${seen.failed}   quarantined ${seen.quarantined}`,
    );
    // Visibility lags: closed is only believed when everything that was started is seen.
    const started = (seen.outcomes['started'] ?? 0) + quarantinedOf(seen.outcomes);
    const visible = seen.completed + seen.failed + seen.quarantined;
    const late = Date.now() > deadline;
    if (late || (settled >= records && seen.running === 0 && visible >= started)) {
      if (process.stdout.isTTY) print();
      if (late) print(`Not everything was settled within ${DEADLINE_MS / 1000} s.`);
      await connection.close();
      return seen;
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

async function look(client: Client, begun: Date): Promise<Seen> {
  const count = async (query: string) => {
    const since = `StartTime >= "${begun.toISOString()}" AND KtbRecord IS NOT NULL`;
    return (await client.workflow.count(`${query} AND ${since}`)).count;
  };
  const [completed, running, failed, quarantined] = await Promise.all([
    count('ExecutionStatus = "Completed"'),
    count('ExecutionStatus = "Running"'),
    count('ExecutionStatus = "Failed" AND WorkflowType != "ktbQuarantine"'),
    count('ExecutionStatus = "Failed" AND WorkflowType = "ktbQuarantine"'),
  ]);
  return { outcomes: countsOfBridge(), completed, running, failed, quarantined };
}

/** The bridge logs its counts once a second while they change. */
function countsOfBridge(): Record<string, number> {
  const lines = readFileSync(join(env('KTB_LOG_DIR'), 'bridge.log'), 'utf8').split('\n');
  for (const line of lines.reverse()) {
    try {
      const { msg, outcomes } = JSON.parse(line) as { msg?: string; outcomes?: Record<string, number> };
      if (msg === 'counts' && outcomes) return outcomes;
    } catch {
      continue; // the last line may be half written
    }
  }
  return {};
}

function quarantinedOf(outcomes: Readonly<Record<string, number>>): number {
  return ['quarantined', 'conflict', 'foreign'].reduce((sum, name) => sum + (outcomes[name] ?? 0), 0);
}

/** One line that is written over on a terminal; elsewhere a line now and then. */
function progress(): (line: string) => void {
  let shown = '';
  let shownAt = 0;
  return (line) => {
    if (process.stdout.isTTY) process.stdout.write(`\r\u001b[2K${line}`);
    else if (line !== shown && Date.now() - shownAt >= LINE_EVERY_MS) {
      print(line);
      shown = line;
      shownAt = Date.now();
    }
  };
}
