import test from 'ava';
import { flood, quantile } from '../faults/scenarios/flood.js';

test('under a flood of low priority at ten times what the worker takes, high priority goes first, on a partition of its own and amid the flood', async (t) => {
  t.timeout(420_000);
  const report = await flood({ lowPerSecond: 200, slots: 1, seconds: 45, timeoutMs: 240_000 });
  const { own, mixed, lowHandled, lowSent } = report;
  t.log(
    `${lowHandled} of ${lowSent} low ones handled; p99 ${quantile(own, 0.99)} ms, amid the flood ${quantile(mixed, 0.99)} ms, of ${own.length} and ${mixed.length}`,
  );
  t.true(own.length >= 25 && mixed.length >= 10, `${own.length} and ${mixed.length}`);
  t.true(lowHandled > 0 && lowHandled * 4 < lowSent, 'it is a flood, and the low ones go on');
  // What one slot can take of 50 ms each in two seconds: on a busy machine it takes less, and so it is fair. The soak asks
  // for a second by the clock.
  t.true(quantile(report.passed, 0.99) <= 40, `passed by ${report.passed.slice(-3).join(', ')}`);
});
