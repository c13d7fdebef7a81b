import test from 'ava';
import { countRun, leftOut, total, type AvaStats } from './run-result.js';

const stats: AvaStats = {
  passedTests: 10,
  passedKnownFailingTests: 0,
  failedTests: 0,
  failedHooks: 0,
  remainingTests: 0,
  selectedTests: 10,
  declaredTests: 10,
  uncaughtExceptions: 0,
  unhandledRejections: 0,
  internalErrors: 0,
  sharedWorkerErrors: 0,
  failedWorkers: 0,
  timeouts: 0,
  byFile: { 'a.test.ts': { declaredTests: 10, uncaughtExceptions: 0, unhandledRejections: 0 } },
};

function count(change: Partial<AvaStats>, exitCode = 1) {
  return countRun({ stats: { ...stats, ...change }, exitCode, matching: false });
}

test('a clean run has no failures', (t) => {
  t.deepEqual(count({}, 0), { passed: 10, failed: 0 });
});

test('everything that makes ava fail is counted', (t) => {
  t.is(count({ failedTests: 2 }).failed, 2);
  t.is(count({ failedHooks: 1 }).failed, 1);
  t.is(count({ remainingTests: 3, timeouts: 1 }).failed, 3);
  t.is(count({ uncaughtExceptions: 1, failedWorkers: 1 }).failed, 1);
  t.is(count({ unhandledRejections: 1 }).failed, 1);
  const empty = { declaredTests: 0, uncaughtExceptions: 0, unhandledRejections: 0 };
  t.is(count({ byFile: { ...stats.byFile, 'b.test.ts': empty } }).failed, 1);
  const broken = { ...empty, uncaughtExceptions: 1 };
  t.is(count({ uncaughtExceptions: 1, byFile: { ...stats.byFile, 'b.test.ts': broken } }).failed, 1);
});

test('a failure that nothing explains is one', (t) => {
  t.is(count({ failedWorkers: 1 }).failed, 1);
  t.deepEqual(countRun({ stats: undefined, exitCode: 1, matching: false }), { passed: 0, failed: 1 });
});

test('a phase without a matching test is no failure, but a run without any test is', (t) => {
  const nothing = countRun({
    stats: { ...stats, passedTests: 0, selectedTests: 0 },
    exitCode: 1,
    matching: true,
  });
  t.deepEqual(nothing, { passed: 0, failed: 0 });
  t.deepEqual(total([nothing, { passed: 3, failed: 0 }]), { passed: 3, failed: 0 });
  t.deepEqual(total([nothing]), { passed: 0, failed: 1 });
  t.deepEqual(total([]), { passed: 0, failed: 1 });
});

test('a forgotten test.only is noticed', (t) => {
  t.is(leftOut({ stats: { ...stats, selectedTests: 1 }, exitCode: 0, matching: false }), 9);
  t.is(leftOut({ stats: { ...stats, selectedTests: 1 }, exitCode: 0, matching: true }), 0);
});
