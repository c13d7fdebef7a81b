import test from 'ava';
import type { DeadLetter } from '../../bridge/operate/dead-letters.js';
import type { ReplayEntry } from '../../bridge/operate/replay-report.js';
import { runResets } from '../../bridge/operate/replay-run.js';
import type { OperatorPort } from '../../bridge/temporal/operator-port.js';

const ready = Array.from({ length: 150 }, (_, n): ReplayEntry => {
  const letter = { workflowId: `w${n}`, runId: `r${n}` } as DeadLetter;
  return { letter, eventId: 4, readiness: 'ready', message: undefined };
});

/** Notes what is asked of it; of a server only what a replay's resets need. */
function noting() {
  const resets: number[] = [];
  const jobs: number[] = [];
  const port = {
    reset: async () => {
      resets.push(performance.now());
      return 'new run';
    },
    startResetJob: async ({ executions }) => void jobs.push(executions.length),
    job: async () => ({ state: 'completed', total: 150, done: 150, failed: 0 }),
  } satisfies Partial<OperatorPort>;
  return { port: port as unknown as OperatorPort, resets, jobs };
}

test('many are reset by a job on the server', async (t) => {
  const { port, resets, jobs } = noting();
  t.is((await runResets(port, ready, {})).jobs.length, 1);
  t.deepEqual([jobs, resets.length], [[150], 0]);
});

test('where a rate is asked for, they are sent one by one and never faster: a job keeps no rate', async (t) => {
  const { port, resets, jobs } = noting();
  const begun = performance.now();
  t.deepEqual((await runResets(port, ready, { perSecond: 200 })).jobs, []);
  t.deepEqual([jobs, resets.length], [[], 150]);
  // The last of them is due after 149 times 5 ms; timers may be a millisecond early.
  t.true(resets.at(-1)! - begun >= 149 * 5 - 20);
});
