import {
  existsSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  mkdtempSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { Client, Connection } from '@temporalio/client';
import { cacheDir } from '../../bridge/local-stack/cache.js';
import { startKtb, startProcess, type StartedProcess } from '../faults/process.js';
import { produce } from '../helpers/kafka.js';
import { writeProject, type Project } from '../helpers/project.js';
import { until } from '../helpers/until.js';

const CONFIG = `
import { defineConfig } from 'kafka-temporal-bridge';
export default defineConfig({
  name: 'dev',
  kafka: { brokers: ['localhost:9092'], groupId: 'dev' },
  temporal: { taskQueue: 'dev' },
  worker: { workflowsPath: './workflows/index.ts' },
  routes: [{ topic: 'events', workflow: 'say' }],
});
`;
const saying = (word: string) => `export async function say() { return '${word}'; }\n`;
const project = (): Project => writeProject({ config: CONFIG, workflows: saying('one') });

/** Processes whose command line names this folder: servers, bridge, worker. */
function processesOf(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text) ||
          readlinkSync(`/proc/${pid}/cwd`).startsWith(text)
        );
      } catch {
        return false; // it has just ended
      }
    });
}

async function stackOf(dev: StartedProcess): Promise<{ brokers: string[]; client: Client; dataDir: string }> {
  const [, broker] = await dev.waitForOutput(/Kafka {5}(\S+)/, 500_000);
  const [, address] = await dev.waitForOutput(/Temporal {2}(\S+),/);
  const [, dataDir] = await dev.waitForOutput(/Logs {6}(\S+)/);
  const connection = await Connection.connect({ address: address! });
  return { brokers: [broker!], client: new Client({ connection }), dataDir: dataDir! };
}

/** One after the other: each takes the usual ports where they are free, as a developer's would. */
test.serial(
  '`ktb dev --exec` runs a command against the stack, with its addresses in the environment, and ends with its exit code',
  async (t) => {
    t.timeout(300_000);
    using own = project();
    const command =
      'test -n "$KAFKA_BROKERS" && test -n "$TEMPORAL_ADDRESS" && test -n "$TEMPORAL_NAMESPACE" && test -d "$KTB_LOG_DIR" && exit 7';
    const dev = startKtb('dev', ['dev', '--no-ui', '--exec', command], {
      config: own.configPath,
      cwd: own.dir,
    });
    const { code } = await dev.exited;
    t.is(code, 7, dev.output.slice(-2_000));
    t.deepEqual(processesOf(own.dir), []);
  },
);

test.serial(
  'an event is handled under `ktb dev`; a change in workflows/ restarts the worker with the new code; Ctrl-C leaves no process and no data behind',
  async (t) => {
    t.timeout(400_000);
    using own = project();
    const dev = startKtb('dev', ['dev', '--no-ui'], { config: own.configPath, cwd: own.dir });
    const { brokers, client, dataDir } = await stackOf(dev);
    const send = (key: string) =>
      produce(brokers, 'events', [{ key, value: '{}', headers: { 'idempotency-key': key } }]);
    const said = (key: string) =>
      until(() => client.workflow.getHandle(key).result() as Promise<string>, {
        what: `the result of ${key}`,
        timeoutMs: 90_000,
      });
    await send('first');
    t.is(await said('first'), 'one');
    own.write('workflows/index.ts', saying('two'));
    await dev.waitForOutput(/Something changed: restarting worker: done|restarting worker: done/);
    await send('second');
    t.is(await said('second'), 'two');
    await client.connection.close();

    const kafka = processesOf(dataDir);
    t.true(kafka.length > 0, 'the servers are seen by what they are called with');
    // To the whole group, as a terminal sends it: bridge and worker get it too.
    process.kill(-dev.pid, 'SIGINT');
    t.is((await dev.exited).code, 0);
    t.deepEqual(
      await until(() => processesOf(dataDir), {
        what: 'no server to be left',
        accept: (left) => left.length === 0,
      }),
      [],
    );
    t.deepEqual(processesOf(own.dir), []);
    t.false(existsSync(dataDir), 'the data are thrown away');
  },
);

test.serial(
  'Ctrl-C while the stack is starting ends it without an error message, and leaves nothing behind',
  async (t) => {
    t.timeout(120_000);
    using own = project();
    const temporary = mkdtempSync(join(tmpdir(), 'ktb-dev-'));
    t.teardown(() => rmSync(temporary, { recursive: true, force: true }));
    const dev = startKtb('dev', ['dev', '--no-ui'], {
      config: own.configPath,
      cwd: own.dir,
      env: { TMPDIR: temporary },
    });
    await dev.waitForOutput(/starting Kafka \S+ \.\.\./);
    process.kill(-dev.pid, 'SIGINT');
    t.is((await dev.exited).code, 130);
    t.notRegex(dev.output, /Error|\n {4}at /);
    await until(() => processesOf(temporary), {
      what: 'no process to be left',
      accept: (left) => left.length === 0,
    });
    t.deepEqual(
      readdirSync(temporary).filter((name) => name.startsWith('ktb-stack-')),
      [],
    );
  },
);

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test.serial(
    `the command of --exec, with what it has started, ends with a \`ktb dev\` that gets ${signal}`,
    async (t) => {
      t.timeout(300_000);
      using own = project();
      // A shell that waits for a child: the signal must reach both.
      const command = `node -e "setInterval(() => {}, 1000)" ${own.dir}/marked; true`;
      const dev = startKtb('dev', ['dev', '--no-ui', '--exec', command], {
        config: own.configPath,
        cwd: own.dir,
      });
      await until(() => processesOf(`${own.dir}/marked`), {
        what: 'the command to run',
        timeoutMs: 120_000,
        accept: (pids) => pids.length >= 2,
      });
      dev.signal(signal);
      await dev.exited;
      t.deepEqual(
        await until(() => processesOf(own.dir), {
          what: 'no process to be left',
          accept: (left) => left.length === 0,
        }),
        [],
      );
    },
  );
}

test.serial('a `ktb dev` that is killed (SIGKILL) leaves no process behind', async (t) => {
  t.timeout(300_000);
  using own = project();
  const dev = startKtb('dev', ['dev', '--no-ui'], { config: own.configPath, cwd: own.dir });
  const { client, dataDir } = await stackOf(dev);
  await client.connection.close();
  t.true(processesOf(dataDir).length > 0);
  await dev.kill();
  const left = await until(() => [...processesOf(dataDir), ...processesOf(own.configPath)], {
    what: 'no process to be left',
    accept: (pids) => pids.length === 0,
  });
  t.deepEqual(left, []);
});

test.serial(
  '`--keep` keeps the data: what was handled before a restart is a duplicate after it',
  async (t) => {
    t.timeout(400_000);
    using own = project();
    // A cache folder of its own, with what is installed: the kept data of whoever runs the tests stay out of it.
    const cache = mkdtempSync(join(tmpdir(), 'ktb-keep-'));
    t.teardown(() => rmSync(cache, { recursive: true, force: true }));
    for (const name of readdirSync(cacheDir()))
      if (name !== 'data') symlinkSync(join(cacheDir(), name), join(cache, name));
    const start = () =>
      startKtb('dev', ['dev', '--no-ui', '--keep'], {
        config: own.configPath,
        cwd: own.dir,
        env: { KTB_CACHE_DIR: cache },
      });
    for (const round of [1, 2]) {
      const dev = start();
      const { brokers, client, dataDir } = await stackOf(dev);
      const handle = client.workflow.getHandle('kept');
      if (round === 1)
        await produce(brokers, 'events', [
          { key: 'kept', value: '{}', headers: { 'idempotency-key': 'kept' } },
        ]);
      t.is(
        await until(() => handle.result() as Promise<string>, { what: 'the result', timeoutMs: 90_000 }),
        'one',
        `round ${round}`,
      );
      if (round === 2) {
        await produce(brokers, 'events', [
          { key: 'kept', value: '{}', headers: { 'idempotency-key': 'kept' } },
        ]);
        await until(() => readFileSync(join(dataDir, 'bridge.log'), 'utf8'), {
          what: 'the duplicate',
          accept: (log) => log.includes('"duplicate":1'),
        });
      }
      await client.connection.close();
      await dev.term();
    }
  },
);

test.serial(
  '`npm run demo -- --once` checks every number, sends what failed through again by `ktb`, and ends with 0',
  async (t) => {
    t.timeout(400_000);
    const root = fileURLToPath(new URL('../../', import.meta.url));
    const demo = startProcess({
      name: 'demo',
      command: 'npm',
      args: ['run', 'demo', '--silent', '--', '--once'],
      cwd: root,
    });
    const { code } = await demo.exited;
    t.is(code, 0, demo.output.slice(-3_000));
    for (const row of [
      /produced +411/,
      /unique +380/,
      /started +378/,
      /duplicate +30/,
      /completed +376/,
      /failed +2/,
      /quarantined +3/,
      /conflicts +1/,
    ]) {
      t.regex(demo.stdout, row);
    }
    t.regex(
      demo.stdout,
      /order-unicorn\n +There is no article `unicorn`\n +http:\/\/127\.0\.0\.1:\d+\/namespaces/,
    );
    for (const command of [
      /\$ ktb replay --since \S+ .*--yes --wait\n +2 {2}completed/,
      /\$ ktb quarantine resolve order-broken --value/,
      /\$ ktb quarantine resolve order-1 --start-as order-1-sofa/,
      /\$ ktb quarantine resolve order-0-forgotten --drop/,
    ]) {
      t.regex(demo.stdout, command);
    }
    for (const row of [
      /order-unicorn +failed +completed +order-unicorn: shipped 1 x unicorn/,
      /payment-stolen +failed +completed +payment-stolen: booked 900 cents/,
      /order-broken +undecodable +completed +order-broken: shipped 1 x chair/,
      /order-1-sofa +a conflict +completed +order-1: shipped 99 x sofa \(order-1-sofa\)/,
      /order-0-forgotten +without a route +dropped +nothing was started/,
      /left +no dead letter, nothing in quarantine/,
    ]) {
      t.regex(demo.stdout, row);
    }
    t.regex(demo.stdout, /Every number is what it should be/);
  },
);
