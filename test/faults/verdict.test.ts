import test from 'ava';
import type { HandlerCall } from './handlers-record.js';
import { verdict, type ExecutionSeen, type VerdictInput } from './verdict.js';

interface World {
  produced: { key: string; valueHash: string }[];
  handled: HandlerCall[];
  executions: ExecutionSeen[];
  committed: { partition: number; offset: bigint }[];
  logEnd: { partition: number; offset: bigint }[];
}

function execution(key: string, name = 'COMPLETED', runId = `run-${key}`): ExecutionSeen {
  return { workflowId: key, runId, status: { name } };
}

function call(key: string, line: number, more: Partial<HandlerCall> = {}): HandlerCall {
  return {
    call: `${key}-${line}`,
    key,
    valueHash: `value-${key}`,
    begunAt: line,
    endedAt: line + 1,
    begunLine: line,
    endedLine: line + 1,
    outcome: 'ended',
    pid: 1,
    attempt: 1,
    workflowId: key,
    runId: `run-${key}`,
    topic: 'orders',
    partition: 0,
    offset: String(line),
    ...more,
  };
}

/** Twenty keys, two of them produced twice, all handled once. */
function right(): World {
  const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
  const hash = (key: string) => ({ key, valueHash: `value-${key}` });
  return {
    produced: [...keys, 'k3', 'k7'].map(hash),
    handled: keys.map((key, index) => call(key, 2 * index)),
    executions: keys.map((key) => execution(key)),
    committed: [
      { partition: 0, offset: 12n },
      { partition: 1, offset: 10n },
    ],
    logEnd: [
      { partition: 0, offset: 12n },
      { partition: 1, offset: 10n },
    ],
  };
}

function judge(change: (world: World) => void, more: Partial<VerdictInput> = {}) {
  const world = right();
  change(world);
  return verdict({ ...world, ...more });
}

test('a right run is right, and its report is JSON', (t) => {
  const report = judge(() => {});
  t.like(report, { ok: true, produced: 22, unique: 20, executions: 20, handlerCalls: 20, repeatedCalls: 0 });
  t.deepEqual(report.wrongs, []);
  t.deepEqual(JSON.parse(JSON.stringify(report)), report);
});

test('a key without an execution is found', (t) => {
  const report = judge(({ executions }) => executions.splice(5, 1));
  t.false(report.ok);
  t.deepEqual(report.missing, ['k5']);
  t.regex(report.wrongs[0]!, /without an execution: 1, e\.g\. k5/);
});

test('a key with two executions is found', (t) => {
  const report = judge(({ executions }) => executions.push(execution('k4', 'COMPLETED', 'another-run')));
  t.false(report.ok);
  t.deepEqual(report.twice, ['k4']);
});

test('an execution that nobody produced is found', (t) => {
  const report = judge(({ executions }) => executions.push(execution('ghost')));
  t.false(report.ok);
  t.deepEqual(report.extra, ['ghost']);
});

test('an execution that is still open, or failed unasked, is found', (t) => {
  for (const status of ['RUNNING', 'FAILED', 'TERMINATED', 'TIMED_OUT']) {
    const report = judge(({ executions }) => (executions[2] = execution('k2', status)));
    t.false(report.ok, status);
    t.deepEqual(report.unfinished, ['k2']);
    t.is(report.statuses[status], 1);
  }
});

test('an execution that was to fail may fail, and must', (t) => {
  const fails = judge(({ executions }) => (executions[2] = execution('k2', 'FAILED')), {
    expectFailed: ['k2'],
  });
  t.true(fails.ok);
  t.false(judge(() => {}, { expectFailed: ['k2'] }).ok);
});

test('a completed execution whose handler never ended is found', (t) => {
  const report = judge(({ handled }) => handled.splice(6, 1));
  t.false(report.ok);
  t.deepEqual(report.unhandled, ['k6']);
});

test('a handler call of a key that nobody produced is found', (t) => {
  const report = judge(({ handled }) => handled.push(call('ghost', 90)));
  t.false(report.ok);
});

test('a key handled with another value is found', (t) => {
  const report = judge(({ handled }) => (handled[8] = call('k8', 16, { valueHash: 'other' })));
  t.false(report.ok);
  t.deepEqual(report.otherValue, ['k8']);
});

test('a key handled with two of its values is found', (t) => {
  const report = judge(({ produced, handled }) => {
    produced.push({ key: 'k8', valueHash: 'second' });
    handled.push(call('k8', 60, { attempt: 2, valueHash: 'second' }));
  });
  t.deepEqual(report.otherValue, ['k8']);
});

test('repeated calls are counted by their reason', (t) => {
  const report = judge(({ handled }) => {
    handled[0] = call('k0', 0, { outcome: 'cut', endedLine: undefined, endedAt: undefined });
    handled.push(call('k0', 50, { attempt: 2 }));
    handled[1] = call('k1', 2, { outcome: 'failed' });
    handled.push(call('k1', 52, { attempt: 2 }));
    handled.push(call('k2', 54, { attempt: 2 }));
    handled[3] = call('k3', 6, { endedLine: 70 });
    handled.push(call('k3', 56, { attempt: 2 }));
  });
  t.true(report.ok, report.wrongs.join());
  t.is(report.repeatedCalls, 4);
  t.deepEqual(report.repeats, {
    afterCut: 1,
    afterFailure: 1,
    completionLost: 1,
    whileHanging: 1,
    unexplained: [],
  });
});

test('a call that is repeated in another run, or without a new attempt, is found', (t) => {
  for (const more of [
    { runId: 'another-run', attempt: 1 },
    { runId: 'another-run', attempt: 2 },
    { attempt: 1 },
  ]) {
    const report = judge(({ handled }) => handled.push(call('k9', 60, more)));
    t.false(report.ok);
    t.deepEqual(report.repeats.unexplained, ['k9']);
  }
});

test('a committed offset before the end, beyond it, or missing is found', (t) => {
  const behind = judge(({ committed }) => (committed[0] = { partition: 0, offset: 11n }));
  t.false(behind.ok);
  t.deepEqual(behind.commits?.off, [{ partition: '/0', committed: '11', logEnd: '12' }]);
  t.false(judge(({ committed }) => (committed[1] = { partition: 1, offset: 11n })).ok);
  const none = judge(({ committed }) => committed.pop());
  t.is(none.commits?.off[0]?.committed, null);
});

test('an empty partition needs no commit', (t) => {
  const report = judge(({ committed, logEnd }) => {
    committed.push({ partition: 2, offset: -1n });
    logEnd.push({ partition: 2, offset: 0n });
  });
  t.true(report.ok);
});

test('a run that continued as new counts once', (t) => {
  const report = judge(({ executions }) => executions.push(execution('k1', 'CONTINUED_AS_NEW', 'first-run')));
  t.true(report.ok);
  t.is(report.executions, 20);
});

test('keys are taken from executions as the test says, and others left out', (t) => {
  const report = judge(
    ({ executions }) => {
      executions.push(execution('other-test'));
      for (const [index, one] of executions.entries()) {
        if (one.workflowId !== 'other-test')
          executions[index] = { ...one, workflowId: `prefix/${one.workflowId}` };
      }
    },
    { keyOf: ({ workflowId }) => (workflowId.startsWith('prefix/') ? workflowId.slice(7) : undefined) },
  );
  t.true(report.ok);
});

test('what was not given is not judged', (t) => {
  const { produced, executions } = right();
  const report = verdict({ produced, executions });
  t.true(report.ok);
  t.is(report.commits, null);
});

test('lists stop at ten', (t) => {
  const report = judge(({ executions }) => executions.splice(0, 15));
  t.is(report.missing.length, 10);
  t.regex(report.wrongs[0]!, /without an execution: 15/);
});
