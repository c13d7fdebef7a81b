/** The table of `onceIn` on a real PostgreSQL: making it, pruning it, and other clients than pg's. */
import test from 'ava';
import type pg from 'pg';
import postgresJs from 'postgres';
import {
  createOnceTable,
  forgetOnceBefore,
  onceIn,
  onceTable,
  type OnceClient,
} from '../../bridge/postgres.js';
import { aRecord, inTransaction } from '../helpers/effects.js';
import { startPostgres, type TestPostgres } from '../helpers/postgres.js';

let postgres: TestPostgres;
let client: pg.Client;

test.before(async () => {
  postgres = await startPostgres();
  client = await postgres.connect();
});
test.after.always(async () => postgres?.[Symbol.asyncDispose]());

test.serial('any number of processes may create the table at once, and again', async (t) => {
  for (const table of ['ktb_once', 'another_once']) {
    const clients = await Promise.all(Array.from({ length: 12 }, () => postgres.connect()));
    await Promise.all(clients.map((one) => createOnceTable(one, { table })));
    await Promise.all(clients.map((one) => one.end()));
    await createOnceTable(client, { table });
    const { rows } = await client.query('SELECT indexname FROM pg_indexes WHERE tablename = $1 ORDER BY 1', [
      table,
    ]);
    t.deepEqual(rows, [{ indexname: `${table}_applied_at` }, { indexname: `${table}_pkey` }]);
  }
});

test.serial('the DDL stands in a migration, for a table of another name and schema', async (t) => {
  await client.query('CREATE SCHEMA "Shop"');
  const options = { table: 'Shop.onceOnly', name: 'effect' };
  await inTransaction(client, () => client.query(onceTable(options)));
  const record = aRecord();
  const call = () => inTransaction(client, () => onceIn(client, record, () => 'done', options));
  t.deepEqual(await call(), { applied: true, result: 'done' });
  t.deepEqual(await call(), { applied: false, result: 'done' });
  t.is((await client.query('SELECT 1 FROM "Shop"."onceOnly"')).rows.length, 1);
  t.is(await forgetOnceBefore(client, new Date(Date.now() + 60_000), options), 1);
});

test('what is no plain name is refused', (t) => {
  for (const table of [
    '',
    'a b',
    'x"; DROP TABLE y',
    'a.b.c',
    '1st',
    'ü',
    'x'.repeat(51),
    7 as unknown as string,
  ]) {
    t.throws(
      () => onceTable({ table }),
      { code: 'KTB_USAGE', message: /^Expected `table` to be a name/ },
      String(table),
    );
  }
});

test('a table that is missing or another one is named, with what to do', async (t) => {
  const own = await postgres.connect();
  await own.query('CREATE TABLE something_else (id integer)');
  for (const table of ['nowhere', 'something_else']) {
    await inTransaction(own, async () => {
      await t.throwsAsync(
        onceIn(own, aRecord(), () => undefined, { table, name: 'effect' }),
        { code: 'KTB_USAGE', message: new RegExp(`^Expected table "${table}" to be as .*createOnceTable`) },
      );
      await own.query('SELECT 1');
    });
  }
});

test.serial('pruning forgets what is older, however much it is, and nothing else', async (t) => {
  const table = 'pruned_once';
  await createOnceTable(client, { table });
  await client.query(`INSERT INTO ${table} (namespace, execution, record, effect, applied_at)
    SELECT 'n', 'w', 'r' || i, 'e', now() - i * interval '1 minute' FROM generate_series(1, 25000) AS i`);
  const kept = aRecord();
  const call = () =>
    inTransaction(client, () => onceIn(client, kept, () => undefined, { table, name: 'effect' }));
  await call();
  const before = new Date(Date.now() - 100.5 * 60_000);
  t.is(await forgetOnceBefore(client, before, { table }), 24_900);
  t.is(await forgetOnceBefore(client, before, { table }), 0);
  t.false((await call()).applied);
  t.is((await client.query(`SELECT 1 FROM ${table}`)).rows.length, 101);
  await t.throwsAsync(forgetOnceBefore(client, new Date('never')), {
    code: 'KTB_USAGE',
    message: 'Expected `before` to be a valid Date, got Invalid Date',
  });
});

test.serial('it works in a transaction of postgres.js, by a wrapper of one line', async (t) => {
  await createOnceTable(client);
  const sql = postgresJs(postgres.url, { max: 2 });
  t.teardown(() => sql.end());
  const record = aRecord();
  const apply = () =>
    sql.begin((tx) => {
      const wrapped: OnceClient = {
        query: async (text, values) => ({ rows: await tx.unsafe(text, values) }),
      };
      return onceIn(wrapped, record, async () => ({ told: ['as', 'JSON'] }), { name: 'effect' });
    });
  t.deepEqual(await apply(), { applied: true, result: { told: ['as', 'JSON'] } });
  t.deepEqual(await apply(), { applied: false, result: { told: ['as', 'JSON'] } });
  const outside: OnceClient = { query: async (text, values) => ({ rows: await sql.unsafe(text, values) }) };
  await t.throwsAsync(
    onceIn(outside, record, () => undefined, { name: 'effect' }),
    {
      code: 'KTB_USAGE',
      message: /^Expected `tx` to be in a transaction/,
    },
  );
});
