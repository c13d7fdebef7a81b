/** `onceIn` on a real PostgreSQL: what is applied, what is marked, and what a second call finds. */
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type pg from 'pg';
import { createOnceTable, onceIn, type RecordInfo } from '../../bridge/postgres.js';
import { startProcess } from '../faults/process.js';
import { aRecord, effectsOf, inActivity, inTransaction } from '../helpers/effects.js';
import { startPostgres, type TestPostgres } from '../helpers/postgres.js';
import { unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

let postgres: TestPostgres;
let observer: pg.Pool;

test.before(async () => {
  postgres = await startPostgres();
  observer = postgres.pool;
  await createOnceTable(observer);
  await observer.query('CREATE TABLE effects (what text NOT NULL)');
});
test.after.always(async () => postgres?.[Symbol.asyncDispose]());

const insert = async (client: pg.ClientBase, what: string): Promise<string> => {
  await client.query('INSERT INTO effects VALUES ($1)', [what]);
  return what;
};

/** What a handler does: one effect in a transaction. */
const handle = (client: pg.Client, record: RecordInfo, what: string, begin?: string) =>
  inActivity(() => inTransaction(client, () => onceIn(client, record, () => insert(client, what)), begin));

const marksOf = async (record: RecordInfo): Promise<number> => {
  const { rows } = await observer.query('SELECT 1 FROM ktb_once WHERE record = $1', [record.idempotencyKey]);
  return rows.length;
};

/** Opened from outside. */
const gate = () => {
  let open: () => void = () => {};
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open: () => open() };
};

/** Until this client's statement waits for a lock that another session holds. */
const untilWaiting = async (client: pg.Client): Promise<void> => {
  const { processID } = client as unknown as { processID: number };
  await until(
    async () =>
      (
        await observer.query(`SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'`, [
          processID,
        ])
      ).rows.length,
    { what: 'the second call to wait', everyMs: 20 },
  );
};

test("an effect is applied once: a repeated call gets the first one's result, and runs nothing", async (t) => {
  const [record, what] = [aRecord(), unique('effect')];
  const client = await postgres.connect();
  t.deepEqual(await handle(client, record, what), { applied: true, result: what });
  t.deepEqual(await handle(client, record, 'never'), { applied: false, result: what });
  t.deepEqual(await handle(await postgres.connect(), record, 'never'), { applied: false, result: what });
  t.is(await effectsOf(observer, what), 1);
  const { rows } = await observer.query('SELECT repeats FROM ktb_once WHERE record = $1', [
    record.idempotencyKey,
  ]);
  t.deepEqual(rows, [{ repeats: 2 }], 'the row counts the calls that came again');
});

test('a rollback marks nothing: the next call applies the effect', async (t) => {
  const [record, what] = [aRecord(), unique('effect')];
  const client = await postgres.connect();
  await inActivity(async () => {
    await client.query('BEGIN');
    t.true((await onceIn(client, record, () => insert(client, what))).applied);
    await client.query('ROLLBACK');
  });
  t.is(await marksOf(record), 0);
  t.true((await handle(client, record, what)).applied);
  t.is(await effectsOf(observer, what), 1);
});

test('a function that throws leaves neither effect nor mark behind, even where its transaction is committed', async (t) => {
  const [record, what] = [aRecord(), unique('effect')];
  const client = await postgres.connect();
  const before = unique('before');
  await inActivity(() =>
    inTransaction(client, async () => {
      await insert(client, before);
      const failing = async () => {
        await insert(client, what);
        // An error of PostgreSQL aborts a transaction: here only what the savepoint holds.
        await client.query('SELECT 1 / 0');
      };
      await t.throwsAsync(onceIn(client, record, failing), { message: /division by zero/ });
    }),
  );
  t.is(await effectsOf(observer, before), 1, 'the transaction went on and was committed');
  t.is(await effectsOf(observer, what), 0);
  t.is(await marksOf(record), 0);
  t.true((await handle(client, record, what)).applied);
});

test("of two calls at once the later one waits, and gets the earlier one's result", async (t) => {
  const [record, what] = [aRecord(), unique('effect')];
  const [first, second] = [await postgres.connect(), await postgres.connect()];
  const [applied, held] = [gate(), gate()];
  const earlier = inActivity(() =>
    inTransaction(first, async () => {
      const outcome = await onceIn(first, record, () => insert(first, what));
      applied.open();
      await held.passed;
      return outcome;
    }),
  );
  await applied.passed;
  const later = handle(second, record, 'never');
  await untilWaiting(second);
  held.open();
  t.deepEqual(await earlier, { applied: true, result: what });
  t.deepEqual(await later, { applied: false, result: what });
});

test('where the earlier of two calls is rolled back, the later one applies the effect', async (t) => {
  const [record, what] = [aRecord(), unique('effect')];
  const [first, second] = [await postgres.connect(), await postgres.connect()];
  await first.query('BEGIN');
  await inActivity(() => onceIn(first, record, () => insert(first, what)));
  const later = handle(second, record, what);
  await untilWaiting(second);
  await first.query('ROLLBACK');
  t.deepEqual(await later, { applied: true, result: what });
  t.is(await effectsOf(observer, what), 1);
});

test('where the function of the earlier of two calls throws, the later one applies the effect, though the transaction goes on', async (t) => {
  const [record, what] = [aRecord(), unique('effect')];
  const [first, second] = [await postgres.connect(), await postgres.connect()];
  const [inside, held] = [gate(), gate()];
  await first.query('BEGIN');
  const failing = async (): Promise<void> => {
    await insert(first, what);
    inside.open();
    await held.passed;
    throw new Error('not this time');
  };
  const earlier = t.throwsAsync(
    inActivity(() => onceIn(first, record, failing)),
    { message: 'not this time' },
  );
  await inside.passed;
  const later = handle(second, record, what);
  await untilWaiting(second);
  held.open();
  await earlier;
  t.deepEqual(await later, { applied: true, result: what });
  await first.query('COMMIT');
  t.is(await effectsOf(observer, what), 1);
});

test('where the process of the earlier call is killed before its COMMIT, the later one applies the effect', async (t) => {
  const [record, what] = [aRecord(), unique('effect')];
  await using dying = startProcess({
    name: 'dying',
    command: process.execPath,
    args: [
      '--import',
      import.meta.resolve('tsx'),
      fileURLToPath(new URL('../helpers/dying-handler.ts', import.meta.url)),
      postgres.url,
      JSON.stringify(record),
      what,
    ],
  });
  await dying.waitForOutput('applied, not committed');
  const client = await postgres.connect();
  const later = handle(client, record, what);
  await untilWaiting(client);
  await dying.kill();
  t.deepEqual(await later, { applied: true, result: what });
  t.is(await effectsOf(observer, what), 1);
});

test('under REPEATABLE READ and SERIALIZABLE the later of two calls fails with 40001, and its retry gets the result', async (t) => {
  for (const level of ['REPEATABLE READ', 'SERIALIZABLE']) {
    const [record, what] = [aRecord(), unique('effect')];
    const client = await postgres.connect();
    await client.query(`BEGIN ISOLATION LEVEL ${level}`);
    // Its snapshot is older than the other one's commit.
    await client.query('SELECT 1 FROM effects LIMIT 1');
    await handle(await postgres.connect(), record, what);
    await t.throwsAsync(
      inActivity(() => onceIn(client, record, () => insert(client, 'never'))),
      { code: '40001' },
      level,
    );
    await client.query('ROLLBACK');
    t.deepEqual(
      await handle(client, record, 'never', `BEGIN ISOLATION LEVEL ${level}`),
      { applied: false, result: what },
      level,
    );
    t.is(await effectsOf(observer, what), 1, level);
  }
});

test('an effect that was committed stays applied when PostgreSQL crashes, one that was not is applied by the next call', async (t) => {
  await using own = await startPostgres();
  const before = await own.connect();
  await createOnceTable(before);
  await before.query('CREATE TABLE effects (what text NOT NULL)');
  const [committed, open] = [aRecord(), aRecord()];
  await handle(before, committed, 'committed');
  await before.query('BEGIN');
  await inActivity(() => onceIn(before, open, () => insert(before, 'open')));
  await own.crash();
  await t.throwsAsync(before.query('COMMIT'));
  const after = await own.connect();
  t.deepEqual(await handle(after, committed, 'committed'), { applied: false, result: 'committed' });
  t.deepEqual(await handle(after, open, 'open'), { applied: true, result: 'open' });
  t.is(await effectsOf(after, 'committed'), 1);
  t.is(await effectsOf(after, 'open'), 1);
});
