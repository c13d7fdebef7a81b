import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  bundleWorkflowCode,
  DefaultLogger,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import test from 'ava';

/** One folder for each release: histories of our own workflows, recorded on a real server. */
const folder = new URL('../histories/', import.meta.url);
const workflowsPath = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));

/** Bundled once for all: what a release ships. */
let workflowBundle: WorkflowBundleWithSourceMap;

test.before(async () => {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  workflowBundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
});

const histories = readdirSync(folder).flatMap((release) =>
  readdirSync(new URL(`${release}/`, folder)).map((file) => ({ release, file })),
);

test('there are recorded histories of every workflow type of ours', (t) => {
  for (const type of ['ktbActivityRoute', 'ktbQuarantine', 'ktbTargetRoute']) {
    t.true(
      histories.some(({ file }) => file.startsWith(type)),
      type,
    );
  }
});

for (const { release, file } of histories) {
  test(`what ran under ${release} replays with today's code: ${file}`, async (t) => {
    const history = JSON.parse(readFileSync(new URL(`${release}/${file}`, folder), 'utf8')) as History;
    await t.notThrowsAsync(() => Worker.runReplayHistory({ workflowBundle }, inItsOwnRun(history)));
  });
}

interface History {
  readonly events: readonly {
    readonly workflowExecutionStartedEventAttributes?: { originalExecutionRunId: string };
    readonly workflowTaskFailedEventAttributes?: { readonly cause?: string; readonly newRunId?: string };
  }[];
}

/**
 * The SDK replays a history under the ID of the *original* run, and our workflows tell a failure of this run from one
 * that a Reset brought along by the run's ID: a Reset's history must be replayed under the ID of its own run.
 */
function inItsOwnRun(history: History): History {
  const reset = history.events.findLast((event) => event.workflowTaskFailedEventAttributes?.newRunId);
  const runId = reset?.workflowTaskFailedEventAttributes?.newRunId;
  const started = history.events[0]?.workflowExecutionStartedEventAttributes;
  if (runId && started) started.originalExecutionRunId = runId;
  return history;
}
