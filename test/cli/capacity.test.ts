import test from 'ava';
import { startKtb } from '../faults/process.js';
import { writeProject } from '../helpers/project.js';

const project = writeProject({
  config: `import { defineConfig } from 'kafka-temporal-bridge';
    export default defineConfig({
      name: 'orders',
      kafka: { brokers: ['127.0.0.1:1'], groupId: 'orders' },
      temporal: { address: '127.0.0.1:1', taskQueue: 'orders' },
      routes: [
        { id: 'placed', topic: 'orders', eventType: 'placed', workflow: 'fulfilOrder' },
        { id: 'paid', topic: 'orders', eventType: 'paid', workflow: 'book' },
      ],
    });`,
});
test.after.always(() => project.remove());

async function ktb(...args: readonly string[]) {
  const it = startKtb('ktb', args, { config: project.configPath });
  const { code } = await it.exited;
  return { code, stdout: it.stdout, stderr: it.stderr };
}

test('a pause wants a reason: 2', async (t) => {
  const { code, stdout, stderr } = await ktb('pause', 'paid');
  t.is(code, 2);
  t.is(stdout, '');
  t.regex(stderr, /required option '--reason <text>' not specified/);
});

test('a route that is not there: 2, and which there are', async (t) => {
  for (const args of [
    ['pause', 'payd', '--reason', 'r'],
    ['resume', 'payd'],
  ]) {
    const { code, stderr } = await ktb(...args);
    t.is(code, 2);
    t.is(stderr, 'KTB_USAGE: Expected a route of `orders`, got `payd`; there are: placed, paid\n');
  }
});

test('a limit that is none: 2, and what was expected', async (t) => {
  for (const limit of ['0', '1.5', 'many', '100001']) {
    const { code, stderr } = await ktb('limit', 'set', limit);
    t.is(code, 2);
    t.regex(stderr, /Expected a whole number of 1 to 100000, or auto\./);
  }
  t.is((await ktb('limit', 'set', '-5')).code, 2);
  t.is((await ktb('limit', 'set')).code, 2);
});

test('Temporal is away: 1, and where it was looked for', async (t) => {
  const { code, stdout, stderr } = await ktb('capacity');
  t.is(code, 1);
  t.is(stdout, '');
  t.regex(stderr, /^KTB_TEMPORAL: Temporal at 127\.0\.0\.1:1, namespace default: /);
});
