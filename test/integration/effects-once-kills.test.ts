/** `onceIn` in a worker that is killed again and again: every effect is there once, however often it was called. */
import test from 'ava';
import type pg from 'pg';
import { createOnceTable } from '../../bridge/postgres.js';
import { killLoop, seededRandom } from '../faults/kill-loop.js';
import type { StartedProcess } from '../faults/process.js';
import { createScene, type Scene } from '../faults/scene.js';
import { startPostgres } from '../helpers/postgres.js';
import { historyOf, resetTo } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';

const RECORDS = 400;
const ACCOUNTS = 10;
const KILLS = 5;

interface Payment {
  readonly account: number;
  readonly cents: number;
  /** The first call to come so far kills its own process: just before, or just after its COMMIT. */
  readonly dies?: 'before' | 'after';
}

/**
 * A handler as a user writes it, and in the same transaction its counter-proof: the same effect without `onceIn`. It
 * dawdles before and after its COMMIT, so that kills find calls in both places.
 */
const ACTIVITIES = `
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { onceIn } from 'kafka-temporal-bridge/postgres';
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
pool.on('error', () => {});
export async function pay(payment, record) {
  const dies = async (when) => {
    if (payment.dies !== when) return;
    const { rowCount } = await pool.query('INSERT INTO deaths VALUES ($1) ON CONFLICT DO NOTHING', [record.idempotencyKey]);
    if (rowCount === 1) process.kill(process.pid, 'SIGKILL');
  };
  const client = await pool.connect();
  let failure;
  try {
    await client.query('BEGIN');
    await client.query('INSERT INTO naive_payments (key) VALUES ($1)', [record.idempotencyKey]);
    const { result } = await onceIn(client, record, async () => {
      await client.query('UPDATE accounts SET cents = cents + $1 WHERE id = $2', [payment.cents, payment.account]);
      const { rows } = await client.query('INSERT INTO payments (key) VALUES ($1) RETURNING id', [record.idempotencyKey]);
      return { payment: rows[0].id };
    });
    await pause(40 * Math.random());
    await dies('before');
    await client.query('COMMIT');
    await dies('after');
    await pause(80 * Math.random());
    return result;
  } catch (error) {
    failure = error;
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  } finally {
    client.release(failure);
  }
}
`;

const idOf = (scene: Scene, key: string) => `${scene.name}:${key}`;

/** Starts a worker again whenever it has ended, until told otherwise. */
function keepWorking(scene: Scene, env: NodeJS.ProcessEnv, workers: number) {
  const running = new Set<StartedProcess>();
  let stopped = false;
  let started = 0;
  const start = (): void => {
    if (stopped) return;
    const worker = scene.worker(`worker-${++started}`, env);
    running.add(worker);
    void worker.exited.then(() => {
      running.delete(worker);
      start();
    });
  };
  for (let n = 0; n < workers; n++) start();
  return {
    targets: () => [...running],
    started: () => started,
    [Symbol.dispose]: () => void (stopped = true),
  };
}

async function count(client: pg.Pool, query: string): Promise<number> {
  return Number((await client.query<{ count: string }>(query)).rows[0]!.count);
}

test('however often workers are killed, and PostgreSQL once, every effect is there exactly once, and its workflow has its result', async (t) => {
  t.timeout(540_000);
  await using postgres = await startPostgres();
  const client = postgres.pool;
  await createOnceTable(client);
  await client.query(`
    CREATE TABLE accounts (id integer PRIMARY KEY, cents integer NOT NULL DEFAULT 0);
    CREATE TABLE payments (id serial PRIMARY KEY, key text NOT NULL);
    CREATE TABLE naive_payments (key text NOT NULL);
    CREATE TABLE deaths (key text PRIMARY KEY);
    INSERT INTO accounts (id) SELECT generate_series(0, ${ACCOUNTS - 1})`);

  const random = seededRandom(20261124);
  const payments = new Map<string, Payment>();
  const deaths = new Map<number, Payment['dies']>([
    [40, 'after'],
    [100, 'before'],
    [300, 'after'],
  ]);
  for (let n = 0; n < RECORDS; n++) {
    const dies = deaths.get(n);
    payments.set(`p${n}`, {
      account: n % ACCOUNTS,
      cents: 1 + Math.floor(random() * 1_000),
      ...(dies === undefined ? {} : { dies }),
    });
  }

  await using scene = await createScene({
    activities: ACTIVITIES,
    routes: `[{ id: 'pay', topic: TOPIC, activity: 'pay', heartbeatTimeoutMs: 1500,
      retry: { maximumAttempts: 1000, initialIntervalMs: 50, maximumIntervalMs: 500 } }]`,
  });
  using workers = keepWorking(scene, { DATABASE_URL: postgres.url }, 2);
  scene.bridge();
  await scene.produce(
    [...payments].map(([key, payment], n) => ({
      partition: n % 8,
      key,
      value: JSON.stringify(payment),
      headers: { 'idempotency-key': key },
    })),
  );
  const paid = () => count(client, 'SELECT count(*) FROM payments');
  await until(paid, { what: 'the first payments', timeoutMs: 120_000, accept: (n) => n >= 20 });
  await using loop = killLoop({
    seed: 20261124,
    everyMs: [800, 3_000],
    times: KILLS,
    targets: workers.targets,
    // Whoever keeps them working starts the next one.
    revive: () => undefined,
    onStrike: ({ victim, atMs }) => t.log(`killed ${victim} after ${atMs} ms`),
  });
  await until(paid, { what: 'half of the payments', timeoutMs: 240_000, accept: (n) => n >= RECORDS / 2 });
  await postgres.crash();
  await loop.done;
  await scene.committedToEnd(120_000);
  const executions = await until(() => scene.executions(), {
    what: `${RECORDS} executions to complete`,
    timeoutMs: 240_000,
    everyMs: 1_000,
    accept: (seen) => seen.length === RECORDS && seen.every(({ status }) => status.name !== 'RUNNING'),
  });
  t.deepEqual([...new Set(executions.map(({ status }) => status.name))], ['COMPLETED']);

  const { rows } = await client.query<{ key: string; id: number }>('SELECT key, id FROM payments');
  t.deepEqual(rows.map(({ key }) => key).sort(), [...payments.keys()].sort(), 'every payment exactly once');
  const { rows: accounts } = await client.query<{ id: number; cents: number }>(
    'SELECT * FROM accounts ORDER BY id',
  );
  for (const { id, cents } of accounts) {
    const mine = [...payments.values()].filter(({ account }) => account === id);
    t.is(
      cents,
      mine.reduce((sum, payment) => sum + payment.cents, 0),
      `account ${id}`,
    );
  }
  t.is(await count(client, 'SELECT count(*) FROM ktb_once'), RECORDS);
  for (const { key, id } of rows) {
    const result = (await scene.client.workflow.getHandle(idOf(scene, key)).result()) as unknown;
    t.deepEqual(result, { payment: id }, `the workflow of ${key} has the one payment's ID`);
  }

  // All of it would be worth nothing if no call had been repeated after its COMMIT.
  const twice = (await count(client, 'SELECT count(*) FROM naive_payments')) - RECORDS;
  const repeats = await count(client, 'SELECT sum(repeats) AS count FROM ktb_once');
  t.log(`${workers.started() - 2} workers died; without onceIn ${twice} payments too many`);
  t.is(loop.strikes.length, KILLS);
  t.true(workers.started() - 2 >= KILLS + deaths.size);
  t.true(twice >= 2, 'at least the two that died after their COMMIT');
  t.is(repeats, twice, 'each call that came again is counted');

  // A Reset of what had completed calls the handler once more: it pays nothing again.
  const key = 'p0';
  const { events } = await historyOf(scene.client, idOf(scene, key));
  const first = events?.find((event) => event.workflowTaskCompletedEventAttributes)?.eventId;
  const run = await resetTo(scene.client, idOf(scene, key), Number(first));
  t.deepEqual(await scene.client.workflow.getHandle(idOf(scene, key), run).result(), {
    payment: rows.find((row) => row.key === key)!.id,
  });
  t.is(await paid(), RECORDS);
  t.is(await count(client, 'SELECT sum(repeats) AS count FROM ktb_once'), repeats + 1);
});
