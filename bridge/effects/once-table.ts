import { BridgeError } from '../errors.js';

/**
 * What is needed of a database client: a query with `$1` placeholders that gives rows. `pg`'s `Client` and `PoolClient`
 * are one as they are; for other libraries it is a wrapper of one line.
 */
export interface OnceClient {
  query(text: string, values?: any[]): Promise<{ readonly rows: readonly any[] }>;
}

export interface OnceTableOptions {
  /** `name` or `schema.name`: letters, digits and underscores. @default 'ktb_once' */
  readonly table?: string;
}

/** How many rows one statement deletes, so that pruning never holds its locks for long. */
const FORGET_ROWS = 10_000;

/**
 * The table's DDL, for a migration. It changes nothing where the table is there already.
 *
 * @throws BridgeError `KTB_USAGE`: not a table's name
 */
export function onceTable(options: OnceTableOptions = {}): string {
  const table = quotedTable(options);
  const index = `"${table.split('"').at(-2)}_applied_at"`;
  // `json` and not `jsonb`: it keeps the text as it was, and takes the NUL that jsonb refuses.
  // BRIN: rows come in the order of time, and so it costs an insert next to nothing.
  return `CREATE TABLE IF NOT EXISTS ${table} (
  namespace text NOT NULL,
  execution text NOT NULL,
  record text NOT NULL,
  effect text NOT NULL,
  activity_id text,
  transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
  applied_at timestamptz NOT NULL DEFAULT now(),
  repeats integer NOT NULL DEFAULT 0,
  result json,
  PRIMARY KEY (namespace, execution, record, effect)
);
CREATE INDEX IF NOT EXISTS ${index} ON ${table} USING brin (applied_at);
`;
}

/**
 * Creates the table where it is missing. Any number of processes may call it at once, at their start.
 *
 * @throws BridgeError `KTB_USAGE`: not a table's name; else what the database threw
 */
export async function createOnceTable(client: OnceClient, options: OnceTableOptions = {}): Promise<void> {
  // One statement, as not every client sends several. The lock: two sessions that create one table at a time may both
  // find it missing, and IF NOT EXISTS does not keep the later one from a unique violation in the catalog.
  await client.query(
    `DO $ktb$ BEGIN PERFORM pg_advisory_xact_lock(hashtext('ktb_once')); ${onceTable(options)} END $ktb$`,
  );
}

/**
 * Forgets what was applied before a time. What is forgotten is applied again if its call comes again: keep rows for as
 * long as an execution may run, and then as long as the namespace's retention.
 *
 * @returns how many were forgotten
 * @throws BridgeError `KTB_USAGE`: not a date, not a table's name; else what the database threw
 */
export async function forgetOnceBefore(
  client: OnceClient,
  before: Date,
  options: OnceTableOptions = {},
): Promise<number> {
  const table = quotedTable(options);
  if (!(before instanceof Date) || Number.isNaN(before.getTime())) {
    throw new BridgeError('KTB_USAGE', `Expected \`before\` to be a valid Date, got ${String(before)}`);
  }
  let forgotten = 0;
  for (;;) {
    const { rows } = await client.query(
      `WITH forgotten AS (
  DELETE FROM ${table} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ${table} WHERE applied_at < $1::text::timestamptz LIMIT ${FORGET_ROWS}
  )) RETURNING 1
) SELECT count(*)::integer AS count FROM forgotten`,
      [before.toISOString()],
    );
    const { count } = rows[0] as { count: number };
    forgotten += count;
    if (count < FORGET_ROWS) return forgotten;
  }
}

/** A name that goes into a statement's text: so nothing but plain names, quoted. An index is named after it, within 63 bytes. */
export function quotedTable({ table = 'ktb_once' }: OnceTableOptions): string {
  if (typeof table !== 'string' || !/^([A-Za-z_]\w{0,62}\.)?[A-Za-z_]\w{0,49}$/.test(table)) {
    throw new BridgeError(
      'KTB_USAGE',
      `Expected \`table\` to be a name or schema.name of letters, digits and underscores, at most 50 characters long, got ${JSON.stringify(table)}`,
    );
  }
  return table
    .split('.')
    .map((part) => `"${part}"`)
    .join('.');
}
