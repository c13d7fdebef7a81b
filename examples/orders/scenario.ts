/** Produces the demo's events, shows what becomes of them, and checks every number against what was produced. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection, type WorkflowExecutionInfo } from '@temporalio/client';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { demoRecords, type DemoRecord, type Expected } from './orders.js';

const ORDERS = 300;
const DEADLINE_MS = 180_000;
/** Off a terminal each look would be one more line. */
const LINE_EVERY_MS = 5_000;
/** The rows of the table. */
const MEANING: Readonly<Record<string, string>> = {
  produced: 'events in the topics, each with one outcome',
  unique: 'different keys among them that could be read',
  started: 'keys that a workflow was started for',
  duplicate: 'same key, same value: nothing was started',
  completed: 'workflows that ended well',
  failed: 'workflows that failed for good: the dead letters',
  quarantined: 'events that no workflow could be started for, each kept in one of its own',
  conflicts: 'of these, the same key with another value',
};

const once = process.argv.includes('--once') || !process.stdout.isTTY;
const records = demoRecords(ORDERS);

const connection = await Connection.connect({ address: env('TEMPORAL_ADDRESS') });
const client = new Client({ connection, namespace: env('TEMPORAL_NAMESPACE') });
// A kept stack has the executions of earlier demos: only what is started from now on counts.
const begun = new Date();

await produce(records);
const seen = await settle();
const table = tableOf(seen);
const wrong = check(table);
await print(table, seen, wrong);
if (!once) {
  process.stdout.write('\nThe stack stays up. Ctrl-C ends it.\n');
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => undefined, 60_000);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        clearInterval(timer);
        resolve();
      });
    }
  });
}
await connection.close();
process.exitCode = wrong.length === 0 ? 0 : 1;

interface Seen {
  /** As the bridge counted them. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly completed: number;
  readonly failed: readonly WorkflowExecutionInfo[];
  readonly quarantined: readonly WorkflowExecutionInfo[];
  readonly running: number;
}

async function produce(all: readonly DemoRecord[]): Promise<void> {
  const kafka = new Kafka({
    clientId: 'orders-demo',
    brokers: env('KAFKA_BROKERS').split(','),
    logLevel: logLevel.NOTHING,
  });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  for (let from = 0; from < all.length; from += 100) {
    const slice = all.slice(from, from + 100);
    await producer.sendBatch({
      acks: -1,
      topicMessages: (['orders', 'payments'] as const).map((topic) => ({
        topic,
        messages: slice
          .filter((record) => record.topic === topic)
          .map(({ key, value, headers }) => ({ key, value, headers: { ...headers } })),
      })),
    });
  }
  await producer.disconnect();
  process.stdout.write(`Produced ${all.length} events to the topics orders and payments.\n`);
}

/** Waits until every record has its outcome and every workflow has closed, and shows how it goes. */
async function settle(): Promise<Seen> {
  const deadline = Date.now() + DEADLINE_MS;
  for (let shown = '', shownAt = 0; ;) {
    const seen = await look();
    const settled = Object.values(seen.outcomes).reduce((sum, count) => sum + count, 0);
    const line =
      `settled ${settled}/${records.length}   completed ${seen.completed}   running ${seen.running}   ` +
      `failed ${seen.failed.length}   quarantined ${seen.quarantined.length}`;
    if (process.stdout.isTTY) process.stdout.write(`\r\u001b[2K${line}`);
    else if (line !== shown && Date.now() - shownAt >= LINE_EVERY_MS) {
      process.stdout.write(`${line}\n`);
      shown = line;
      shownAt = Date.now();
    }
    // Visibility lags: closed is only believed when everything that was started is seen.
    const started = (seen.outcomes['started'] ?? 0) + quarantinedOf(seen.outcomes);
    const visible = seen.completed + seen.failed.length + seen.quarantined.length;
    if (settled >= records.length && seen.running === 0 && visible >= started) break;
    if (Date.now() > deadline) {
      process.stdout.write(`\nNot everything was settled within ${DEADLINE_MS / 1000} s.\n`);
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  if (process.stdout.isTTY) process.stdout.write('\n');
  return look();
}

async function look(): Promise<Seen> {
  const since = `StartTime >= "${begun.toISOString()}" AND KtbRecord IS NOT NULL`;
  const list = async (query: string) => {
    const found: WorkflowExecutionInfo[] = [];
    for await (const one of client.workflow.list({ query: `${query} AND ${since}` })) found.push(one);
    return found;
  };
  const [completed, running, bad] = await Promise.all([
    client.workflow.count(`ExecutionStatus = "Completed" AND ${since}`),
    client.workflow.count(`ExecutionStatus = "Running" AND ${since}`),
    list('ExecutionStatus = "Failed"'),
  ]);
  return {
    outcomes: countsOfBridge(),
    completed: completed.count,
    running: running.count,
    failed: bad.filter((one) => one.type !== 'ktbQuarantine'),
    quarantined: bad.filter((one) => one.type === 'ktbQuarantine'),
  };
}

/** The bridge logs its counts once a second while they change. */
function countsOfBridge(): Record<string, number> {
  const lines = readFileSync(join(env('KTB_LOG_DIR'), 'bridge.log'), 'utf8').split('\n');
  for (let index = lines.length - 1; index >= 0; index--) {
    try {
      const line = JSON.parse(lines[index]!) as { msg?: string; outcomes?: Record<string, number> };
      if (line.msg === 'counts' && line.outcomes) return line.outcomes;
    } catch {
      continue; // the last line may be half written
    }
  }
  return {};
}

type Table = Readonly<Record<string, { readonly seen: number; readonly expected: number }>>;

function tableOf(seen: Seen): Table {
  const expected = (kind: Expected) => records.filter((record) => record.expected === kind).length;
  const unique = new Set(records.map((record) => record.headers['idempotency-key'])).size;
  const outcome = (name: string) => seen.outcomes[name] ?? 0;
  return {
    produced: {
      seen: Object.values(seen.outcomes).reduce((sum, count) => sum + count, 0),
      expected: records.length,
    },
    // A quarantined record has a key as well, which nothing was started for.
    unique: { seen: outcome('started') + outcome('quarantined'), expected: unique },
    started: { seen: outcome('started'), expected: expected('completed') + expected('failed') },
    duplicate: { seen: outcome('duplicate'), expected: expected('duplicate') },
    completed: { seen: seen.completed, expected: expected('completed') },
    failed: { seen: seen.failed.length, expected: expected('failed') },
    quarantined: { seen: seen.quarantined.length, expected: expected('quarantined') + expected('conflict') },
    conflicts: { seen: outcome('conflict'), expected: expected('conflict') },
  };
}

function quarantinedOf(outcomes: Readonly<Record<string, number>>): number {
  return ['quarantined', 'conflict', 'foreign'].reduce((sum, name) => sum + (outcomes[name] ?? 0), 0);
}

function check(table: Table): string[] {
  return Object.entries(table)
    .filter(([, { seen, expected }]) => seen !== expected)
    .map(([name, { seen, expected }]) => `Expected ${expected} ${name}, got ${seen}`);
}

async function print(table: Table, seen: Seen, wrong: readonly string[]): Promise<void> {
  const out = (line = '') => process.stdout.write(`${line}\n`);
  out();
  for (const [name, { seen: count, expected }] of Object.entries(table)) {
    const wrong = count === expected ? '' : `EXPECTED ${expected}   `;
    out(`${name.padEnd(12)} ${String(count).padStart(6)}   ${wrong}${MEANING[name]}`);
  }
  out(
    '\nFailed for good, and in quarantine (a Reset in the UI sends them through once the cause is mended):',
  );
  for (const one of [...seen.failed, ...seen.quarantined]) {
    out(`  ${one.workflowId}\n    ${await reasonOf(one)}\n    ${link(one)}`);
  }
  out(wrong.length === 0 ? '\nEvery number is what it should be.' : `\n${wrong.join('\n')}`);
}

async function reasonOf(one: WorkflowExecutionInfo): Promise<string> {
  try {
    await client.workflow.getHandle(one.workflowId, one.runId).result();
    return 'completed meanwhile';
  } catch (error) {
    return error instanceof Error && error.cause instanceof Error ? rootOf(error.cause) : String(error);
  }
}

/** A workflow's failure wraps its activity's, which has the reason. */
function rootOf(error: Error): string {
  return error.cause instanceof Error && error.message.startsWith('Activity task failed')
    ? `${rootOf(error.cause)} ${error.message.slice('Activity task failed'.length).trim()}`
    : error.message;
}

function link(one: WorkflowExecutionInfo): string {
  const base = process.env['KTB_UI_URL'];
  if (base === undefined) return `run ${one.runId}`;
  return `${base}/namespaces/${env('TEMPORAL_NAMESPACE')}/workflows/${encodeURIComponent(one.workflowId)}/${one.runId}/history`;
}

function env(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`Expected ${name} to be set: run this by \`npm run demo\``);
  return value;
}
