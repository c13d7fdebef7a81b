import test from 'ava';
import { DeadLetterWatch, type DeadLetterWatchOptions } from '../../bridge/observe/dead-letter-watch.js';
import { TemporalDouble } from '../helpers/doubles/temporal-double.js';
import { startRequest } from '../temporal/temporal-port-contract.js';

function setup(options: Partial<DeadLetterWatchOptions> = {}) {
  const port = new TemporalDouble();
  const told: [string, number][] = [];
  const begun = Date.now();
  const watch = new DeadLetterWatch(
    {
      port,
      routes: ['placed', 'paid'],
      taskQueues: ['orders'],
      topics: async () => ['orders', 'another'],
      owned: () => [{ topic: 'another', partition: 0 }],
      onDeadLetters: (route, count) => told.push([route, count]),
      lagMs: 0,
      ...options,
    },
    begun,
  );
  const fail = async (route: string) => {
    const labels = { record: 'orders/0/1', key: undefined, route, offset: 1n };
    const request = startRequest({ taskQueue: 'orders', labels });
    await port.start(request);
    port.end(request.workflowId, 'failed');
  };
  return { port, told, begun, watch, fail };
}

test('what has failed since the last look is told by route, once', async (t) => {
  const { watch, told, fail } = setup();
  await fail('placed');
  await fail('placed');
  await fail('paid');
  const now = Date.now();
  await watch.look(now + 1_000);
  t.deepEqual(told, [
    ['placed', 2],
    ['paid', 1],
  ]);
  await watch.look(now + 2_000);
  t.is(told.length, 2);
});

test('without dead letters a look is one question', async (t) => {
  const { watch, port, begun } = setup();
  await watch.look(begun + 1_000);
  t.is(port.countOf('countFailed'), 1);
});

test('one bridge of the group looks: the owner of the first partition', async (t) => {
  const other = setup({
    owned: () => [
      { topic: 'another', partition: 1 },
      { topic: 'orders', partition: 0 },
    ],
  });
  await other.fail('placed');
  await other.watch.look(Date.now() + 1_000);
  t.deepEqual([other.told, other.port.countOf('countFailed')], [[], 0]);
});

test('who takes over counts from the last look on', async (t) => {
  let owned = [{ topic: 'another', partition: 3 }];
  const { watch, told, fail } = setup({ owned: () => owned });
  await fail('placed');
  const now = Date.now();
  await watch.look(now + 1_000);
  owned = [{ topic: 'another', partition: 0 }];
  await watch.look(now + 2_000);
  t.deepEqual(told, [], 'the former owner has told of it');
});

test('a look that fails is made good by the next one', async (t) => {
  const { watch, port, told, fail } = setup();
  await fail('placed');
  port.fail({ calls: ['countFailed'] });
  const now = Date.now();
  await t.throwsAsync(watch.look(now + 1_000));
  await watch.look(now + 2_000);
  t.deepEqual(told, [['placed', 1]]);
});

test('where the search attribute is missing nothing is asked', async (t) => {
  const { watch, port, fail } = setup();
  port.searchAttributes = new Set();
  await fail('placed');
  await watch.look(Date.now() + 1_000);
  t.is(port.countOf('countFailed'), 0);
});

test('what is too young for visibility waits for the next look', async (t) => {
  const { watch, told, fail, begun } = setup({ lagMs: 10_000 });
  await fail('placed');
  await watch.look(begun + 5_000);
  t.deepEqual(told, []);
  await watch.look(Date.now() + 11_000);
  t.deepEqual(told, [['placed', 1]]);
});
