import test from 'ava';
import { timeText } from '../../bridge/cli/output.js';
import { committedOffsets, createTopic, produce, withAdmin } from '../helpers/kafka.js';
import { createScene } from '../faults/scene.js';
import { startKtb, startProcess } from '../faults/process.js';
import { testStack, unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

type Line = Record<string, unknown>;

/** An hour ago: retention removes what is older than a week. */
const BEGAN = Math.floor(Date.now() / 1000) * 1000 - 3_600_000;

const linesOf = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);

const event = (n: number, headers: Record<string, string> = {}) => ({
  partition: n % 2,
  key: `k${n % 3}`,
  value: JSON.stringify({ n, customer: { id: n % 5 } }),
  headers: { 'idempotency-key': `id-${n}`, 'event-type': n % 2 ? 'odd' : 'even', ...headers },
});

async function topicWith(count: number): Promise<{ topic: string; brokers: readonly string[] }> {
  const { brokers } = (await testStack()).kafka;
  const topic = await createTopic(brokers, unique('tailed'), { partitions: 2 });
  await produce(
    brokers,
    topic,
    Array.from({ length: count }, (_, n) => ({ ...event(n), timestamp: BEGAN + n * 1_000 })),
  );
  return { topic, brokers };
}

test('records are shown from an offset or a time on, filtered, and without a group', async (t) => {
  const { topic, brokers } = await topicWith(40);
  const numbers = async (...args: string[]): Promise<number[]> => {
    const all = ['tail', topic, '--brokers', brokers.join(','), '--no-follow', '--json', ...args];
    const ktb = startKtb('ktb tail', all);
    t.is((await ktb.exited).code, 0, ktb.output);
    t.is(ktb.stderr, '');
    return linesOf(ktb.stdout)
      .map(({ value }) => (value as { n: number }).n)
      .toSorted((a, b) => a - b);
  };
  const all = Array.from({ length: 40 }, (_, n) => n);
  const [whole, offset, time, key, ids, where, header, type, limited, latest] = await Promise.all([
    numbers(),
    numbers('--from', '15', '--partition', '1'),
    numbers('--from', new Date(BEGAN + 30 * 1_000).toISOString()),
    numbers('--key', 'k1'),
    numbers('--key', 'id-7'),
    numbers('--where', '/customer/id=3', '--from', 'earliest'),
    numbers('--header', 'event-type=odd'),
    numbers('--event-type', 'even'),
    numbers('--limit', '3', '--partition', '0'),
    numbers('--from', 'latest'),
  ]);
  t.deepEqual(whole, all);
  t.deepEqual(offset, [31, 33, 35, 37, 39]);
  t.deepEqual(time, all.slice(30));
  t.deepEqual(
    key,
    all.filter((n) => n % 3 === 1),
  );
  t.deepEqual(ids, [7]);
  t.deepEqual(
    where,
    all.filter((n) => n % 5 === 3),
  );
  t.deepEqual(
    header,
    all.filter((n) => n % 2 === 1),
  );
  t.deepEqual(
    type,
    all.filter((n) => n % 2 === 0),
  );
  t.deepEqual(limited, [0, 2, 4]);
  t.deepEqual(latest, []);
  const groups = await withAdmin(brokers, async (admin) => (await admin.listGroups()).groups);
  t.deepEqual(
    groups.filter(({ groupId }) => groupId.includes('ktb')),
    [],
    'no group was made for it',
  );
});

test('it follows what comes until Ctrl-C', async (t) => {
  const { topic, brokers } = await topicWith(4);
  await using ktb = startKtb('ktb tail', [
    'tail',
    topic,
    '--brokers',
    brokers.join(','),
    '--from',
    'earliest',
  ]);
  await until(() => ktb.stdout.split('\n').length > 4, { what: 'what is there to be shown' });
  await produce(brokers, topic, [event(4), event(5)]);
  await ktb.waitForOutput('{"n":5,');
  ktb.signal('SIGINT');
  t.is((await ktb.exited).code, 130);
  const lines = ktb.stdout.trimEnd().split('\n');
  t.is(lines.length, 6);
  t.true(lines.some((line) => line.startsWith(`${topic}/0/0  ${timeText(BEGAN)}  k0  even  {"n":0,`)));
});

test('what is shown as base64 is what ktb produce makes the same records of', async (t) => {
  const { brokers } = (await testStack()).kafka;
  const topic = await createTopic(brokers, unique('tailed'), { partitions: 2 });
  const copy = await createTopic(brokers, unique('copied'), { partitions: 2 });
  await produce(brokers, topic, [
    {
      key: 'a',
      value: '{ "n": 12345678901234567890 }',
      headers: { 'idempotency-key': '1', two: ['x', 'y'] },
    },
    {
      key: Buffer.from([255]),
      value: Buffer.from([0, 255]),
      headers: { 'idempotency-key': Buffer.from([254]) },
    },
    {
      key: 'a',
      value: null,
      headers: { 'idempotency-key': '3' },
      partition: 1,
      timestamp: BEGAN,
    },
    { key: null, value: '', headers: { 'idempotency-key': '4' } },
  ]);
  const main = new URL('../../bridge/cli/main.ts', import.meta.url).pathname;
  const ktb = `'${process.execPath}' --import '${import.meta.resolve('tsx')}' '${main}'`;
  const at = `--brokers ${brokers.join(',')}`;
  await using piped = startProcess({
    name: 'tail | produce',
    command: 'bash',
    args: [
      '-c',
      `set -o pipefail; ${ktb} tail ${topic} ${at} --no-follow --base64 --json | ${ktb} produce ${copy} ${at}`,
    ],
  });
  t.is((await piped.exited).code, 0, piped.output);
  const dump = async (of: string): Promise<Line[]> => {
    const shown = startKtb('ktb tail', [
      'tail',
      of,
      '--brokers',
      brokers.join(','),
      '--no-follow',
      '--base64',
      '--json',
    ]);
    await shown.exited;
    return linesOf(shown.stdout)
      .map(({ topic: _topic, headers, ...rest }): Line => {
        const { traceparent: _parent, 'trace-id': _id, timestamp: _time, ...own } = headers as Line;
        return { ...rest, headers: own };
      })
      .toSorted((one, other) =>
        `${String(one['partition'])}/${String(one['offset'])}`.localeCompare(
          `${String(other['partition'])}/${String(other['offset'])}`,
        ),
      );
  };
  const [original, copied] = [await dump(topic), await dump(copy)];
  t.is(original.length, 4);
  t.deepEqual(copied, original);
});

test('a reader that goes away ends it', async (t) => {
  const { topic, brokers } = await topicWith(400);
  const main = new URL('../../bridge/cli/main.ts', import.meta.url).pathname;
  const ktb = `'${process.execPath}' --import '${import.meta.resolve('tsx')}' '${main}'`;
  await using head = startProcess({
    name: 'tail | head',
    command: 'bash',
    args: ['-c', `${ktb} tail ${topic} --brokers ${brokers.join(',')} --from earliest | head -n 1`],
  });
  await until(() => head.stdout !== '', { what: 'the first line' });
  await produce(
    brokers,
    topic,
    Array.from({ length: 10 }, (_, n) => event(n)),
  );
  t.is((await head.exited).code, 0);
  t.is(head.stderr, '');
});

test('outcomes say what has become of each record, while the group stays as it is', async (t) => {
  await using scene = await createScene({
    partitions: 1,
    routes: `[
      { id: 'work', topic: TOPIC, eventType: 'work', workflow: 'work' },
      { id: 'none', topic: TOPIC, eventType: 'none', workflow: 'work', filter: () => false },
    ]`,
  });
  const typed = (key: string, value: object | string, type = 'work') => ({
    partition: 0,
    key,
    value: typeof value === 'string' ? value : JSON.stringify(value),
    headers: { 'idempotency-key': key, 'event-type': type },
  });
  await scene.produce([
    typed('fine', {}),
    typed('dead', { failWithout: '/nowhere' }),
    typed('fine', {}),
    typed('fine', { n: 2 }),
    typed('broken', '{"n":'),
    typed('passed', {}, 'none'),
  ]);
  const ktb = (...args: string[]) =>
    startKtb('ktb tail', ['tail', scene.topic, '--outcomes', ...args], {
      config: scene.project.configPath,
      cwd: scene.project.dir,
      env: { ...scene.env, KTB_UI_URL: 'http://ui.test' },
    });
  const before = ktb('--no-follow', '--json');
  t.is((await before.exited).code, 0, before.output);
  t.deepEqual(
    linesOf(before.stdout).map(({ state }) => state),
    ['waiting', 'waiting', 'waiting', 'waiting', 'waiting', 'filtered'],
  );
  // What comes from now on is waited for until it is done.
  await using follows = ktb('--json', '--wait', '60', '--from', '6');
  scene.worker();
  scene.bridge();
  await scene.committedToEnd();
  await until(async () => (await scene.executions('ExecutionStatus = "Failed"')).length, {
    what: 'a dead letter, a conflict and a broken one',
    accept: (count) => count === 3,
  });
  const committed = await committedOffsets(scene.stack.kafka.brokers, scene.groupId, scene.topic);
  const after = ktb('--no-follow', '--json');
  t.is((await after.exited).code, 0, after.output);
  const lines = linesOf(after.stdout);
  t.deepEqual(
    lines.map(({ state }) => state),
    ['completed', 'failed', 'duplicate', 'quarantined', 'quarantined', 'filtered'],
  );
  t.like(lines[1], {
    workflowId: `${scene.name}:dead`,
    reason: 'ForGood: the cause is not mended',
    route: 'work',
  });
  t.regex(String(lines[1]!['link']), /^http:\/\/ui\.test\/.*dead\//);
  t.is(lines[2]!['first'], `${scene.topic}/0/0`);
  t.regex(String(lines[4]!['error']), /JSON/);
  t.deepEqual(await committedOffsets(scene.stack.kafka.brokers, scene.groupId, scene.topic), committed);
  await scene.produce([typed('late', { sleepMs: 300 })]);
  await follows.waitForOutput('"late"');
  t.like(linesOf(follows.stdout).at(-1), { workflowId: `${scene.name}:late`, state: 'completed' });
  t.is(linesOf(follows.stdout).length, 1);
});

test('without a configuration there is nobody to ask for outcomes: wrong use', async (t) => {
  const ktb = startKtb('ktb tail', ['tail', 'orders', '--brokers', 'localhost:1', '--outcomes']);
  t.is((await ktb.exited).code, 2);
  t.regex(ktb.stderr, /KTB_USAGE: Expected a configuration for `--outcomes`/);
});
