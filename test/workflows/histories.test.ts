import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defaultPayloadConverter } from '@temporalio/common';
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
const interceptorsPath = fileURLToPath(new URL('../../workflows/own-interceptors.ts', import.meta.url));

/** Bundled once for all: what a release ships. */
let workflowBundle: WorkflowBundleWithSourceMap;

test.before(async () => {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  workflowBundle = await bundleWorkflowCode({
    workflowsPath,
    workflowInterceptorModules: [interceptorsPath],
    logger: new DefaultLogger('WARN'),
  });
});

const histories = readdirSync(folder).flatMap((release) =>
  readdirSync(new URL(`${release}/`, folder)).map((file) => ({ release, file })),
);

test('there are recorded histories of every workflow type of ours', (t) => {
  for (const type of ['ktbActivityRoute', 'ktbCapacity', 'ktbQuarantine', 'ktbTargetRoute']) {
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

  test(`and it would with a slot, which it had not then: ${release}/${file}`, async (t) => {
    const history = withSlot(JSON.parse(readFileSync(new URL(`${release}/${file}`, folder), 'utf8')));
    await t.notThrowsAsync(() => Worker.runReplayHistory({ workflowBundle }, inItsOwnRun(history)));
  });
}

/** As if the bridge had written a slot into the memo: then our interceptors tell of it, and add a header. */
function withSlot(history: History): History {
  const { metadata, data } = defaultPayloadConverter.toPayload('bridge.0:17')!;
  const base64 = (bytes?: Uint8Array | null) => Buffer.from(bytes ?? []).toString('base64');
  const slot = { metadata: { encoding: base64(metadata?.['encoding']) }, data: base64(data) };
  const started = history.events[0]?.workflowExecutionStartedEventAttributes;
  if (started) started.memo = { fields: { ...started.memo?.fields, slot } };
  return history;
}

interface History {
  readonly events: readonly {
    readonly workflowExecutionStartedEventAttributes?: {
      originalExecutionRunId: string;
      memo?: { fields?: Record<string, unknown> };
    };
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
