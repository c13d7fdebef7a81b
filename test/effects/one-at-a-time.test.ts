import test from 'ava';
import { oneAtATime } from '../../bridge/effects/one-at-a-time.js';

const refused = { code: 'KTB_USAGE', message: /^Expected one call of `onceIn` at a time in a transaction/ };

test('a call that comes while another one runs is refused, and the next one after it is not', async (t) => {
  const tx = {};
  let end: () => void = () => {};
  const first = oneAtATime(tx, () => new Promise<void>((resolve) => (end = resolve)));
  await t.throwsAsync(
    oneAtATime(tx, async () => {}),
    refused,
  );
  await t.notThrowsAsync(
    oneAtATime({}, async () => {}),
    'another transaction',
  );
  end();
  await first;
  t.is(await oneAtATime(tx, async () => 'next'), 'next');
});

test('a call that failed holds nobody up', async (t) => {
  const tx = {};
  await t.throwsAsync(
    oneAtATime(tx, () => Promise.reject(new Error('no'))),
    { message: 'no' },
  );
  t.is(await oneAtATime(tx, async () => 'next'), 'next');
});

test('a call inside of the one that runs may, also through one of another transaction, but not two beside each other', async (t) => {
  const tx = {};
  const result = await oneAtATime(tx, async () =>
    oneAtATime({}, async () => {
      const [one, other] = await Promise.allSettled([
        oneAtATime(tx, async () => 'inside'),
        oneAtATime(tx, async () => 'beside'),
      ]);
      t.is(other.status, 'rejected');
      return one;
    }),
  );
  t.deepEqual(result, { status: 'fulfilled', value: 'inside' });
});

test('a call inside that nobody awaited holds nobody up once it is over', async (t) => {
  const tx = {};
  let end: () => void = () => {};
  let inner = Promise.resolve();
  await oneAtATime(tx, async () => {
    inner = oneAtATime(tx, () => new Promise<void>((resolve) => (end = resolve)));
  });
  end();
  await inner;
  t.is(await oneAtATime(tx, async () => 'next'), 'next');
});
