import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../bridge/config/load.js';
import { registerSearchAttributes } from '../../bridge/operate/setup.js';
import { historyOf } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';
import type { TestMessage } from '../helpers/kafka.js';
import { createScene, type Scene } from './scene.js';

/** What a record of this project is: the route that takes it. */
export type DeadLetterKind = 'workflow' | 'activity' | 'dying' | 'decoded';

/**
 * A user's project in which everything goes wrong until its cause is mended: a workflow route whose second step fails,
 * an activity route that fails, one that hangs, and a decoder that throws.
 */
export interface DeadLetterScene extends AsyncDisposable {
  readonly scene: Scene;
  record(key: string, kind: DeadLetterKind): TestMessage;
  /** Produces one record for each key and waits until each is a failed workflow. */
  fail(records: Readonly<Record<string, DeadLetterKind>>): Promise<void>;
  /** From now on everything goes through. */
  mend(): void;
  /** The workflow ID of a key. */
  idOf(key: string): string;
  /** The workflow ID of a record's quarantine. */
  quarantineOf(offset: number): Promise<string>;
  /** What the last event of a history says. */
  failureOf(workflowId: string, runId?: string): Promise<string>;
  /** How often the first step of the workflow route ran for a key. */
  stepsOf(key: string): number;
}

const ROUTES = `[
  { id: 'workflow', topic: TOPIC, eventType: 'workflow', workflow: 'twoSteps' },
  { id: 'activity', topic: TOPIC, eventType: 'activity', activity: 'handle', retry: { maximumAttempts: 2, initialIntervalMs: 50 } },
  { id: 'dying', topic: TOPIC, eventType: 'dying', activity: 'hangs', startToCloseTimeoutMs: 1000, retry: { maximumAttempts: 1 } },
  { id: 'decoded', topic: TOPIC, eventType: 'decoded', workflow: 'work',
    decoder: (value) => { if (!existsSync(process.env.KTB_HANDLERS_RECORD + '.mended')) throw new Error('the decoder is broken'); return JSON.parse(value.toString()); } },
]`;

const WORKFLOWS = `
import { proxyActivities } from '@temporalio/workflow';
const { handle, step } = proxyActivities({ startToCloseTimeout: '30s', retry: { initialInterval: '100ms', maximumAttempts: 2 } });
export async function work(event, record) { return handle(event, record); }
export async function twoSteps(event, record) {
  const first = await step(record);
  return first + ', ' + await handle(event, record);
}
`;

const ACTIVITIES = `
import { existsSync, appendFileSync } from 'node:fs';
import { ApplicationFailure } from '@temporalio/common';
const mended = () => existsSync(process.env.KTB_HANDLERS_RECORD + '.mended');
export async function step(record) { appendFileSync(process.env.KTB_HANDLERS_RECORD + '.steps', record.idempotencyKey + '\\n'); return 'first'; }
export async function handle(event, record) {
  if (!mended()) throw ApplicationFailure.nonRetryable('the cause is not mended', 'NotMended');
  return 'handled';
}
export async function hangs(event, record, call) {
  if (mended()) return 'handled';
  await new Promise(() => undefined);
}
`;

export async function createDeadLetterScene(): Promise<DeadLetterScene> {
  const scene = await createScene({
    partitions: 2,
    preamble: `import { existsSync } from 'node:fs';`,
    routes: ROUTES,
    workflows: WORKFLOWS,
    activities: ACTIVITIES,
  });
  // As `ktb setup` does it, and before the bridge asks which there are.
  await registerSearchAttributes((await loadConfig({ file: scene.project.configPath })).temporal);
  const journal = join(scene.project.dir, 'handlers.jsonl');
  scene.worker();
  scene.bridge();
  const record = (key: string, kind: DeadLetterKind): TestMessage => ({
    partition: 0,
    key,
    value: JSON.stringify({ key }),
    headers: { 'idempotency-key': key, 'event-type': kind },
  });
  return {
    scene,
    record,
    fail: async (records) => {
      const messages = Object.entries(records).map(([key, kind]) => record(key, kind));
      await scene.produce(messages);
      await until(async () => (await scene.executions('ExecutionStatus = "Failed"')).length, {
        what: `${messages.length} failed workflows`,
        timeoutMs: 120_000,
        accept: (count) => count === messages.length,
      });
    },
    mend: () => writeFileSync(`${journal}.mended`, ''),
    idOf: (key) => `${scene.name}:${key}`,
    quarantineOf: async (offset) => {
      const found = await scene.executions(`WorkflowType = "ktbQuarantine"`);
      const one = found.find(({ workflowId }) => workflowId.includes(`/${scene.topic}/0/${offset}@`));
      if (!one)
        throw new Error(
          `Expected a quarantine of offset ${offset}, got ${found.map((it) => it.workflowId).join(', ')}`,
        );
      return one.workflowId;
    },
    failureOf: async (workflowId, runId) => {
      const { events } = await historyOf(scene.client, workflowId, runId);
      return events?.at(-1)?.workflowExecutionFailedEventAttributes?.failure?.message ?? '';
    },
    stepsOf: (key) =>
      readFileSync(`${journal}.steps`, 'utf8')
        .split('\n')
        .filter((line) => line === key).length,
    [Symbol.asyncDispose]: () => scene[Symbol.asyncDispose](),
  };
}
