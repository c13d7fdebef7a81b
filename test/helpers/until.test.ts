import test from 'ava';
import { until } from './until.js';

test('the accepted value is given back', async (t) => {
  let count = 0;
  const value = await until(() => ++count, { what: 'three', everyMs: 1, accept: (n) => n === 3 });
  t.is(value, 3);
});

test('the error says what was waited for and the last value', async (t) => {
  const error = await t.throwsAsync(
    until(() => ({ open: 7 }), {
      what: 'all to close',
      timeoutMs: 20,
      everyMs: 5,
      accept: ({ open }) => open === 0,
    }),
  );
  t.regex(error.message, /Waited 20 ms for all to close/);
  t.regex(error.message, /open: 7/);
});

test('what the condition throws is "not yet" and stands in the error', async (t) => {
  const away = (): boolean => {
    throw new Error('broker away');
  };
  const error = await t.throwsAsync(until(away, { what: 'it', timeoutMs: 10, everyMs: 2 }));
  t.regex(error.message, /the last call failed: broker away/);
});

test('a bug in the condition is not waited out', async (t) => {
  const bug = (): boolean => (undefined as unknown as { x: boolean }).x;
  await t.throwsAsync(until(bug, { what: 'it' }), { instanceOf: TypeError });
});

test('a condition that never answers does not outlast the deadline', async (t) => {
  const hang = (): Promise<boolean> => new Promise(() => {});
  const error = await t.throwsAsync(until(hang, { what: 'an answer', timeoutMs: 30, everyMs: 5 }));
  t.regex(error.message, /had not answered/);
});

test('an aborted signal ends the wait with its reason', async (t) => {
  const controller = new AbortController();
  const waiting = until(() => false, { what: 'it', everyMs: 1000, signal: controller.signal });
  controller.abort(new Error('stopped by the test'));
  await t.throwsAsync(waiting, { message: 'stopped by the test' });
});
