import type { Info } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type pg from 'pg';
import type { RecordInfo } from '../../workflows/contract.js';
import { unique } from './stack.js';

/** A record with a key that no other test has. */
export function aRecord(change: Partial<RecordInfo> = {}): RecordInfo {
  return {
    topic: 'payments',
    partition: 0,
    offset: '17',
    key: null,
    headers: {},
    timestamp: 1_700_000_000_000,
    eventType: null,
    idempotencyKey: unique('key'),
    ...change,
  };
}

/** Runs something as the code of an activity: by default, of the route `recordPayment` of one workflow. */
export async function inActivity<T>(run: () => Promise<T>, info: Partial<Info> = {}): Promise<T> {
  const environment = new MockActivityEnvironment(
    {
      namespace: 'default',
      activityType: 'recordPayment',
      activityId: '1',
      workflowType: 'ktbActivityRoute',
      ...info,
    },
    // It warns of activities that fail, which is what some of them are here for.
    { logger: new DefaultLogger('ERROR') },
  );
  return environment.run(run);
}

/** BEGIN, COMMIT, and ROLLBACK where something is thrown: as a user writes it. */
export async function inTransaction<T>(
  client: pg.ClientBase,
  work: () => Promise<T>,
  begin = 'BEGIN',
): Promise<T> {
  await client.query(begin);
  try {
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

/** How often each text stands in the table of effects. */
export async function effectsOf(client: pg.ClientBase | pg.Pool, what: string): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    'SELECT count(*)::integer AS count FROM effects WHERE what = $1',
    [what],
  );
  return rows[0]!.count;
}
