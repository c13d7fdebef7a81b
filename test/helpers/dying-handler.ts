/** A process that applies an effect in an activity's code and never commits it, to be killed: see effects-once.test.ts. */
import pg from 'pg';
import { onceIn, type RecordInfo } from '../../bridge/postgres.js';
import { inActivity } from './effects.js';

const [url, record, what] = process.argv.slice(2) as [string, string, string];
const client = new pg.Client({ connectionString: url });
await client.connect();
await client.query('BEGIN');
await inActivity(() =>
  onceIn(client, JSON.parse(record) as RecordInfo, () =>
    client.query('INSERT INTO effects VALUES ($1)', [what]).then(() => what),
  ),
);
process.stdout.write('applied, not committed\n');
