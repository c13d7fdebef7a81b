import test from 'ava';
import { startLocalStack, type LocalStack } from '../../bridge/local-stack/local-stack.js';
import { outage, type OutageOptions } from '../faults/scenarios/outage.js';

/** Servers of this file's own: they are hurt. One after the other, since they share them. */
let stack: LocalStack;

test.before(async (t) => {
  t.timeout(600_000);
  stack = await startLocalStack({ ports: 'free', ui: false });
});

test.after.always(async () => {
  await stack?.stop();
});

const cases: readonly Pick<OutageOptions, 'who' | 'how'>[] = [
  { who: ['kafka'], how: 'killed' },
  { who: ['kafka'], how: 'stopped' },
  { who: ['temporal'], how: 'killed' },
  { who: ['temporal'], how: 'stopped' },
  { who: ['kafka', 'temporal'], how: 'killed' },
  { who: ['kafka', 'temporal'], how: 'stopped' },
  { who: ['worker'], how: 'killed' },
  { who: ['worker'], how: 'stopped' },
];

for (const { who, how } of cases) {
  test.serial(
    `with ${who.join(' and ')} ${how} for a while nothing is lost, nothing is quarantined, and everything resumes by itself`,
    async (t) => {
      t.timeout(300_000);
      const report = await outage({ stack, who, how, forMs: 6_000, records: 150, timeoutMs: 200_000 });
      t.deepEqual(report.verdict.wrongs, []);
      t.is(report.quarantined, 0);
      t.log(`everything was committed ${report.recoveredMs} ms after it was over`);
    },
  );
}
