import type { RecordInfo } from '../../workflows/contract.js';
import { BridgeError, messageOf } from '../errors.js';
import { effectCall, type EffectCall } from './effect-identity.js';
import { oneAtATime } from './one-at-a-time.js';
import { quotedTable, type OnceClient, type OnceTableOptions } from './once-table.js';

export interface OnceOptions extends OnceTableOptions {
  /**
   * Tells the effects of one record apart, where an activity has several, or a workflow calls it several times: the
   * same name is the same effect. Required outside of an activity. @default the activity's type
   */
  readonly name?: string;
}

export interface OnceResult<T> {
  /** Whether this call applied the effect; `false` where a call before it has. */
  readonly applied: boolean;
  /** What `fn` returned in the call that applied it, as JSON gives it back. */
  readonly result: AsJson<T>;
}

/** What `JSON.parse(JSON.stringify(value))` makes of a type. */
export type AsJson<T> = 0 extends 1 & T
  ? T
  : T extends { toJSON(): infer J }
    ? J
    : T extends object
      ? { [K in keyof T]: AsJson<T[K]> }
      : T;

/**
 * Applies an effect once for a record: marks it in the user's own transaction and runs `fn` there. Mark and effect are
 * committed together or not at all, so that a call that is repeated, even since its worker was killed, applies nothing
 * again and gets the first one's result. Of two calls at the same time the later waits for the earlier to end.
 *
 * Where `fn` throws, it and the mark are undone and the error passes on; the transaction itself goes on.
 *
 * @param tx the client that the transaction was begun on, and that `fn` uses
 * @param record the one that the handler was given
 * @example
 * ```ts
 * await client.query('BEGIN');
 * const { result } = await onceIn(client, record, async () => {
 *   await client.query('UPDATE accounts SET cents = cents + $1 WHERE id = $2', [event.cents, event.account]);
 *   return event.cents;
 * });
 * await client.query('COMMIT');
 * ```
 * @throws BridgeError `KTB_USAGE`: not in a transaction, a pool, no table, the same effect twice in one transaction, a
 * second call of an activity in its workflow without a `name`, a result that is not JSON; else what `fn` or the database
 * threw
 */
export async function onceIn<T>(
  tx: OnceClient,
  record: RecordInfo,
  fn: () => T | Promise<T>,
  options: OnceOptions = {},
): Promise<OnceResult<T>> {
  const table = quotedTable(options);
  const call = effectCall(record, options.name);
  refuseOthers(tx);
  return oneAtATime(tx, async () => {
    await openSavepoint(tx);
    try {
      const outcome = await applyOnce(tx, table, call, fn);
      await closeSavepoint(tx);
      return outcome;
    } catch (error) {
      // A caller who catches this and commits must find neither half of an effect nor a mark without one. If it can't
      // be undone, the connection or the transaction is gone, and they with it: the error says why.
      await tx.query('ROLLBACK TO SAVEPOINT ktb_once').catch(() => undefined);
      await tx.query('RELEASE SAVEPOINT ktb_once').catch(() => undefined);
      throw error;
    }
  });
}

function refuseOthers(tx: OnceClient): void {
  const other =
    typeof (tx as OnceClient | undefined)?.query !== 'function'
      ? `${tx === null ? 'null' : typeof tx} without a \`query\``
      : // Of pg: it has a `query` too, and would pass where a former user left a transaction open in it.
        'totalCount' in tx && 'idleCount' in tx
        ? 'a Pool, which runs each query on another connection'
        : undefined;
  if (other === undefined) return;
  throw new BridgeError(
    'KTB_USAGE',
    `Expected \`tx\` to be the client that the transaction was begun on, got ${other}`,
  );
}

async function applyOnce<T>(
  tx: OnceClient,
  table: string,
  call: EffectCall,
  fn: () => T | Promise<T>,
): Promise<OnceResult<T>> {
  const { namespace, execution, record, effect } = call.identity;
  const key = [namespace, execution, record, effect];
  const marked = await mark(tx, table, key, call.activityId);
  if (marked.repeats > 0) {
    refuseAnotherEffect(marked, call);
    return { applied: false, result: parsed(marked.result) as AsJson<T> };
  }
  const text = jsonOf(await fn());
  if (text !== null) {
    await tx.query(
      `UPDATE ${table} SET result = $5::text::json WHERE namespace = $1 AND execution = $2 AND record = $3 AND effect = $4`,
      [...key, text],
    );
  }
  return { applied: true, result: parsed(text) as AsJson<T> };
}

/** SAVEPOINT is the statement that PostgreSQL refuses outside of a transaction, before anything is marked. */
async function openSavepoint(tx: OnceClient): Promise<void> {
  try {
    await tx.query('SAVEPOINT ktb_once');
  } catch (error) {
    if (sqlState(error) !== NO_TRANSACTION) throw error;
    throw new BridgeError(
      'KTB_USAGE',
      'Expected `tx` to be in a transaction, got one without: BEGIN on the same client first, and COMMIT after it',
      { cause: error },
    );
  }
}

async function closeSavepoint(tx: OnceClient): Promise<void> {
  try {
    await tx.query('RELEASE SAVEPOINT ktb_once');
  } catch (error) {
    if (sqlState(error) !== NO_TRANSACTION && sqlState(error) !== NO_SAVEPOINT) throw error;
    throw new BridgeError(
      'KTB_USAGE',
      'Expected `fn` to leave the transaction open, got its end: COMMIT and ROLLBACK are the business of who began it',
      { cause: error },
    );
  }
}

interface Mark {
  /** 0: the row is this call's. */
  readonly repeats: number;
  readonly activity_id: string | null;
  readonly result: string | null;
  readonly same_transaction: boolean;
}

/**
 * One statement inserts the row or gives the one that is there. It waits for a transaction that holds the same row
 * uncommitted, and then sees what became of it; where the isolation level forbids that, it fails with 40001.
 */
async function mark(
  tx: OnceClient,
  table: string,
  key: readonly string[],
  activityId: string | null,
): Promise<Mark> {
  try {
    const { rows } = await tx.query(
      `INSERT INTO ${table} AS once (namespace, execution, record, effect, activity_id)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (namespace, execution, record, effect) DO UPDATE SET repeats = once.repeats + 1
RETURNING repeats, activity_id, result::text AS result, transaction_id = pg_current_xact_id() AS same_transaction`,
      [...key, activityId],
    );
    return rows[0] as Mark;
  } catch (error) {
    if (!NO_SUCH_TABLE.has(sqlState(error))) throw error;
    throw new BridgeError(
      'KTB_USAGE',
      `Expected table ${table} to be as \`onceTable()\` describes it, got: ${messageOf(error)}. Call \`createOnceTable(client)\`, or put \`onceTable()\` into a migration`,
      { cause: error },
    );
  }
}

/** What looks like a repetition may be another effect, which must not be dropped in silence. */
function refuseAnotherEffect(marked: Mark, { identity, activityId, repeatsOnly }: EffectCall): void {
  const { effect, execution } = identity;
  if (marked.same_transaction) {
    throw new BridgeError(
      'KTB_USAGE',
      `Expected each effect of a record to have a \`name\` of its own, got '${effect}' twice in one transaction`,
    );
  }
  if (!repeatsOnly && marked.activity_id !== activityId) {
    throw new BridgeError(
      'KTB_USAGE',
      `Expected each call of activity '${effect}' in workflow '${execution}' to have a \`name\`, got none: activity ${marked.activity_id} has applied its effect, and nobody can tell whether activity ${activityId} means the same one`,
    );
  }
}

function jsonOf(result: unknown): string | null {
  try {
    // Undefined for `undefined` and functions, whatever its type says.
    return (JSON.stringify(result) as string | undefined) ?? null;
  } catch (error) {
    throw new BridgeError('KTB_USAGE', `Expected the result of \`fn\` to be JSON, got ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function parsed(text: string | null): unknown {
  return text === null ? undefined : (JSON.parse(text) as unknown);
}

const NO_TRANSACTION = '25P01';
const NO_SAVEPOINT = '3B001';
/** No table, no such column, no such key: another table under the same name. */
const NO_SUCH_TABLE: ReadonlySet<string | undefined> = new Set(['42P01', '42703', '42P10']);

/** The SQLSTATE, as `pg` gives it; some libraries wrap the driver's error. */
function sqlState(error: unknown): string | undefined {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  if (typeof code === 'string') return code;
  return cause === undefined ? undefined : sqlState(cause);
}
