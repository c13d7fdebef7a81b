/** `onceIn` on a real PostgreSQL: which calls are the same effect, what is refused, what a result becomes. */
import test from 'ava';
import pg from 'pg';
import {
  createOnceTable,
  onceIn,
  type OnceClient,
  type OnceOptions,
  type RecordInfo,
} from '../../bridge/postgres.js';
import { aRecord, inActivity, inTransaction } from '../helpers/effects.js';
import { startPostgres, type TestPostgres } from '../helpers/postgres.js';
import { unique } from '../helpers/stack.js';

let postgres: TestPostgres;
let observer: pg.Pool;

test.before(async () => {
  postgres = await startPostgres();
  observer = postgres.pool;
  await createOnceTable(observer);
});
test.after.always(async () => postgres?.[Symbol.asyncDispose]());

type Info = Parameters<typeof inActivity>[1];

/** Whether a call applies its effect, in a transaction of its own. */
const applies = async (
  record: RecordInfo,
  info: Info | 'outside',
  options?: OnceOptions,
): Promise<boolean> => {
  const client = await postgres.connect();
  const call = () => inTransaction(client, () => onceIn(client, record, () => undefined, options));
  const { applied } = await (info === 'outside' ? call() : inActivity(call, info));
  await client.end();
  return applied;
};

const execution = (workflowId: string, runId = 'run') => ({ workflowExecution: { workflowId, runId } });

/** The marks of a record. */
const marksOf = async (record: RecordInfo): Promise<unknown[]> =>
  (await observer.query('SELECT 1 FROM ktb_once WHERE record = $1', [record.idempotencyKey])).rows;

test('namespace, workflow, record and activity tell effects apart; another attempt, run or worker does not', async (t) => {
  const record = aRecord();
  const id = unique('workflow');
  t.true(await applies(record, execution(id)));
  t.false(await applies(record, { ...execution(id, 'a reset made another run'), attempt: 7 }));
  t.true(await applies(record, { ...execution(id), namespace: 'another' }));
  t.true(await applies(record, execution(`${id}-of-another-route`)));
  t.true(await applies(record, { ...execution(id), activityType: 'notify' }));
  t.true(await applies(aRecord(), execution(id)), 'one workflow may handle several records');
});

test('a record without a key is told apart by its coordinates and timestamp', async (t) => {
  const record = aRecord({ idempotencyKey: null, topic: unique('topic') });
  const name = 'effect';
  t.true(await applies(record, 'outside', { name }));
  t.false(await applies({ ...record }, 'outside', { name }));
  t.true(await applies({ ...record, offset: '18' }, 'outside', { name }));
  t.true(
    await applies({ ...record, timestamp: record.timestamp + 1 }, 'outside', { name }),
    'a topic made anew',
  );
});

test('keys and workflow IDs of any length are told apart by all of their bytes', async (t) => {
  const long = unique('k').padEnd(5_000, 'é');
  for (const idempotencyKey of [`${long}a`, `${long}b`]) {
    t.true(await applies(aRecord({ idempotencyKey }), execution(long)));
    t.false(await applies(aRecord({ idempotencyKey }), execution(long)));
    t.true(await applies(aRecord({ idempotencyKey }), execution(`${long}.`)));
  }
});

test('an activity that a workflow calls twice for one record is refused: only a name tells a repetition from another effect', async (t) => {
  const record = aRecord();
  const info = { ...execution(unique('workflow')), workflowType: 'fulfilOrder' };
  t.true(await applies(record, { ...info, activityId: '1' }));
  t.false(await applies(record, { ...info, activityId: '1', attempt: 2 }));
  await t.throwsAsync(applies(record, { ...info, activityId: '2' }), {
    code: 'KTB_USAGE',
    message:
      /^Expected each call of activity 'recordPayment' in workflow '.*' to have a `name`, got none: activity 1/,
  });
  t.true(await applies(record, { ...info, activityId: '2' }, { name: 'the second half' }));
  t.false(await applies(record, { ...info, activityId: '5' }, { name: 'the second half' }));
});

test("an activity route's call that is scheduled anew after a Reset is a repetition", async (t) => {
  const record = aRecord();
  const info = execution(unique('workflow'));
  t.true(await applies(record, { ...info, activityId: '1' }));
  t.false(await applies(record, { ...info, activityId: '2' }));
});

test('the same effect twice in one transaction is refused, two names are two effects', async (t) => {
  const record = aRecord();
  const client = await postgres.connect();
  const apply = (name?: string) => onceIn(client, record, () => name, name === undefined ? {} : { name });
  await inActivity(() =>
    inTransaction(client, async () => {
      t.true((await apply()).applied);
      await t.throwsAsync(apply(), {
        code: 'KTB_USAGE',
        message:
          "Expected each effect of a record to have a `name` of its own, got 'recordPayment' twice in one transaction",
      });
      t.deepEqual(await apply('debit'), { applied: true, result: 'debit' });
      t.deepEqual(await apply('credit'), { applied: true, result: 'credit' });
    }),
  );
  t.is((await marksOf(record)).length, 3, 'what was refused took nothing along');
});

test('side by side in one transaction is refused, one inside of the other is not', async (t) => {
  const record = aRecord();
  const client = await postgres.connect();
  const apply = (name: string, fn: () => unknown = () => name) => onceIn(client, record, fn, { name });
  await inTransaction(client, async () => {
    const [one, other] = await Promise.allSettled([apply('one'), apply('other')]);
    t.is(one.status, 'fulfilled');
    t.regex(
      String((other as PromiseRejectedResult).reason),
      /Expected one call of `onceIn` at a time in a transaction/,
    );
    const outer = await apply('outer', async () => {
      await t.throwsAsync(
        apply('inner that fails', () => {
          throw new Error('inner');
        }),
        { message: 'inner' },
      );
      return (await apply('inner')).applied;
    });
    t.deepEqual(outer, { applied: true, result: true });
  });
  const { rows } = await observer.query('SELECT effect FROM ktb_once WHERE record = $1 ORDER BY effect', [
    record.idempotencyKey,
  ]);
  t.deepEqual(rows, [{ effect: 'inner' }, { effect: 'one' }, { effect: 'outer' }]);
});

test('without a transaction it is refused before anything is marked or run', async (t) => {
  const record = aRecord();
  const client = await postgres.connect();
  const pool = new pg.Pool({ connectionString: postgres.url });
  const wrapped: OnceClient = { query: (text, values) => pool.query(text, values) };
  const run = (tx: OnceClient) => onceIn(tx, record, () => t.fail('it ran'), { name: 'effect' });
  const refused = { code: 'KTB_USAGE', message: /^Expected `tx` to be in a transaction, got one without/ };
  await t.throwsAsync(run(client), refused);
  await inTransaction(client, async () => {});
  await t.throwsAsync(run(client), refused, 'after a COMMIT');
  await t.throwsAsync(run(wrapped), refused);
  await t.throwsAsync(run(pool), { code: 'KTB_USAGE', message: /got a Pool, which runs each query/ });
  await t.throwsAsync(run({} as OnceClient), { code: 'KTB_USAGE', message: /got object without a `query`$/ });
  t.deepEqual(await marksOf(record), []);
  await pool.end();
});

test('a function that ends the transaction is told so', async (t) => {
  const client = await postgres.connect();
  for (const end of ['COMMIT', 'ROLLBACK', 'COMMIT AND CHAIN']) {
    await client.query('BEGIN');
    await t.throwsAsync(
      onceIn(client, aRecord(), () => client.query(end).then(() => 'result'), { name: 'effect' }),
      { code: 'KTB_USAGE', message: /^Expected `fn` to leave the transaction open, got its end/ },
      end,
    );
    await client.query('ROLLBACK');
  }
});

test('a result comes back as JSON gives it, the first time too', async (t) => {
  const client = await postgres.connect();
  const both = async <T>(fn: () => T) => {
    const record = aRecord();
    const call = () => inTransaction(client, () => onceIn(client, record, fn, { name: 'effect' }));
    const [first, second] = [await call(), await call()];
    t.deepEqual([first.applied, second.applied], [true, false]);
    t.deepEqual(second.result, first.result);
    return second.result;
  };
  const at = new Date('2026-11-24T06:00:00Z');
  // The types say it too.
  const dated: { readonly at: string } = await both(() => ({ at }));
  t.is(dated.at, '2026-11-24T06:00:00.000Z');
  t.is(await both(() => undefined), undefined);
  t.is(await both(() => null), null);
  t.is(await both(() => ''), '');
  t.is(
    await both(() => 'a NUL \0, half a pair \ud800, "quotes" and é'),
    'a NUL \0, half a pair \ud800, "quotes" and é',
  );
  t.deepEqual(Object.keys(await both(() => ({ b: 1, a: [1.5, false, null] }))), ['b', 'a'], 'in its order');
});

test('a result that is not JSON is refused, and the effect undone', async (t) => {
  const client = await postgres.connect();
  const circular: unknown[] = [];
  circular.push(circular);
  for (const result of [1n, circular]) {
    const record = aRecord();
    await inTransaction(client, () =>
      t.throwsAsync(
        onceIn(client, record, () => result, { name: 'effect' }),
        { code: 'KTB_USAGE', message: /^Expected the result of `fn` to be JSON, got / },
      ),
    );
    t.deepEqual(await marksOf(record), []);
  }
});

test('what is no record, no name, or has no name outside of an activity, is refused', async (t) => {
  const client = await postgres.connect();
  const call = (record: unknown, options: unknown = {}) =>
    onceIn(client, record as RecordInfo, () => undefined, options as OnceOptions);
  const refused = (message: RegExp) => ({ code: 'KTB_USAGE', message });
  await t.throwsAsync(call(aRecord()), refused(/^Expected `name` to be given outside of an activity/));
  await t.throwsAsync(
    call(aRecord(), { name: '' }),
    refused(/^Expected `name` to be a text that isn't empty, got ""/),
  );
  await t.throwsAsync(call('key-1', { name: 'effect' }), refused(/^Expected `record` to be .*, got "key-1"/));
  await t.throwsAsync(call(undefined, { name: 'effect' }), refused(/^Expected `record` to be/));
});
