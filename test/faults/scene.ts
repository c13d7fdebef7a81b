import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { CAPACITY_WORKFLOW } from '../../workflows/capacity/contract.js';
import {
  committedOffsets,
  createTopic,
  logEnds,
  produce,
  producePlain,
  type TestMessage,
} from '../helpers/kafka.js';
import { writeProject, type Project } from '../helpers/project.js';
import { testStack, unique, type TestStack } from '../helpers/stack.js';
import { connectTemporal, listExecutions } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';
import { Places } from './places.js';
import { startKtb, type StartedProcess } from './process.js';
import { readHandlersRecord, type HandlersRecord } from './handlers-record.js';

export interface SceneOptions {
  /** Servers of one's own, to be hurt. @default the shared stack */
  readonly stack?: TestStack;
  /** @default 8 */
  readonly partitions?: number;
  /** The routes, as source text in which `TOPIC` stands for the topic. @default all records to the workflow `work` */
  readonly routes?: string;
  /** Further options of the config, as source text. */
  readonly config?: string;
  /** Further options of `temporal`, as source text. */
  readonly temporal?: string;
  /** Further options of `kafka`, as source text. */
  readonly kafka?: string;
  /** Statements before the config's export. */
  readonly preamble?: string;
  readonly name?: string;
  readonly idPrefix?: string;
  /** Names of another scene, to share its topic or its task queue. */
  readonly topic?: string;
  readonly taskQueue?: string;
  readonly workflows?: string;
  readonly activities?: string;
  readonly topicConfig?: Readonly<Record<string, string>>;
}

/** A user's project on real servers: its own topic, group, task queue and key prefix. */
export interface Scene extends AsyncDisposable {
  readonly name: string;
  readonly topic: string;
  readonly groupId: string;
  readonly taskQueue: string;
  readonly stack: TestStack;
  readonly client: Client;
  readonly project: Project;
  readonly env: NodeJS.ProcessEnv;
  bridge(name?: string, args?: readonly string[], env?: NodeJS.ProcessEnv): StartedProcess;
  worker(name?: string, env?: NodeJS.ProcessEnv): StartedProcess;
  produce(messages: readonly TestMessage[]): ReturnType<typeof produce>;
  /** As they are, also without an idempotency key. */
  producePlain(messages: readonly TestMessage[]): ReturnType<typeof producePlain>;
  /** Writes the config anew; processes that start later have it. */
  reconfigure(change: SceneOptions): void;
  handled(): HandlersRecord;
  /** Until the group has committed the end of every partition's log. */
  committedToEnd(timeoutMs?: number): Promise<void>;
  /** Executions on the scene's task queues, but for the capacity workflow. */
  executions(query?: string): ReturnType<typeof listExecutions>;
}

/** What the default handlers do with an event: one that is not told anything just ends. */
export interface WorkEvent {
  readonly n?: number;
  readonly sleepMs?: number;
  /** Fails in so many attempts, then ends well. */
  readonly failTimes?: number;
  /** Fails for good while this file is missing. */
  readonly failWithout?: string;
}

const WORKFLOWS = `
import { proxyActivities } from '@temporalio/workflow';
const { handle } = proxyActivities({ startToCloseTimeout: '30s', heartbeatTimeout: '10s', retry: { initialInterval: '100ms', maximumAttempts: 5, nonRetryableErrorTypes: ['ForGood'] } });
export async function work(event, record) {
  return handle(event, record);
}
`;

const ACTIVITIES = `
import { existsSync } from 'node:fs';
import { ApplicationFailure } from '@temporalio/common';
import { Context } from '@temporalio/activity';
import { handlersRecord } from '${new URL('./handlers-record.ts', import.meta.url).pathname}';
const journal = handlersRecord(process.env.KTB_HANDLERS_RECORD);
export async function handle(event, record) {
  return journal.around(event, record, async () => {
    const { attempt } = Context.current().info;
    if (event?.sleepMs) await Context.current().sleep(event.sleepMs);
    if (event?.failTimes >= attempt) throw new Error('not this time');
    if (event?.failWithout && !existsSync(event.failWithout)) {
      throw ApplicationFailure.create({ message: 'the cause is not mended', type: 'ForGood', nonRetryable: true });
    }
    return 'handled ' + record.topic + '/' + record.partition + '/' + record.offset;
  });
}
`;

/**
 * ava runs the tests of a file side by side: without a bound a dozen bridges and workers share two cores, and none gets
 * far. A scene on another one's topic belongs to that one's test, which would wait for itself.
 */
const AT_ONCE = 4;
const places = new Places(AT_ONCE);

export async function createScene(options: SceneOptions = {}): Promise<Scene> {
  const leave = options.topic === undefined ? await places.take() : () => undefined;
  try {
    return await openScene(options, leave);
  } catch (error) {
    leave();
    throw error;
  }
}

async function openScene(options: SceneOptions, leave: () => void): Promise<Scene> {
  const stack = options.stack ?? (await testStack());
  const { brokers } = stack.kafka;
  const id = unique('scene');
  const name = options.name ?? id;
  const topic = options.topic ?? `${id}.topic`;
  const taskQueue = options.taskQueue ?? id;
  const groupId = `${name}-group`;
  if (options.topic === undefined) {
    await createTopic(brokers, topic, {
      partitions: options.partitions ?? 8,
      ...(options.topicConfig === undefined ? {} : { config: { ...options.topicConfig } }),
    });
  }
  const project = writeProject({
    config: configSource({ options, stack, name, topic, taskQueue, groupId }),
    workflows: options.workflows ?? WORKFLOWS,
    activities: options.activities ?? ACTIVITIES,
  });
  const client = await connectTemporal(stack.temporal);
  const journal = join(project.dir, 'handlers.jsonl');
  const env = { KTB_HANDLERS_RECORD: journal };
  const processes: StartedProcess[] = [];
  const start = (as: string, args: readonly string[], extra: NodeJS.ProcessEnv = {}) => {
    const started = startKtb(as, args, {
      ...(args.includes('--config') ? {} : { config: project.configPath }),
      env: { ...env, ...extra },
      cwd: project.dir,
      logFile: join(project.dir, `${as}.log`),
    });
    processes.push(started);
    return started;
  };
  return {
    name,
    topic,
    groupId,
    taskQueue,
    stack,
    client,
    project,
    env,
    bridge: (as = 'bridge', args = [], extra = {}) =>
      start(as, ['bridge', '--report-every', '0.5', ...args], extra),
    worker: (as = 'worker', extra = {}) => start(as, ['worker'], extra),
    produce: (messages) => produce(brokers, topic, messages),
    producePlain: (messages) => producePlain(brokers, topic, messages),
    reconfigure: (change) => {
      project.write(
        'temporal.config.ts',
        configSource({ options: { ...options, ...change }, stack, name, topic, taskQueue, groupId }),
      );
    },
    handled: () => readHandlersRecord(journal),
    committedToEnd: async (timeoutMs = 180_000) => {
      await until(
        async () => {
          const [ends, committed] = await Promise.all([
            logEnds(brokers, topic),
            committedOffsets(brokers, groupId, topic),
          ]);
          const at = new Map(committed.map((one) => [one.partition, String(one.offset)]));
          return ends.filter(
            ({ partition, offset }) => String(offset) !== '0' && at.get(partition) !== String(offset),
          ).length;
        },
        {
          what: `group ${groupId} to have committed all of ${topic}`,
          timeoutMs,
          everyMs: 250,
          accept: (behind) => behind === 0,
        },
      ).catch((error: unknown) => {
        const tails = processes.map(
          (one) =>
            `--- ${one.name}\n${one.stderr
              .trimEnd()
              .split('\n')
              .slice(-5)
              .map((line) => line.slice(0, 400))
              .join('\n')}`,
        );
        throw new Error(`${(error as Error).message}\n${tails.join('\n')}`);
      });
    },
    executions: (query) =>
      listExecutions(
        client,
        `(TaskQueue = "${taskQueue}" OR TaskQueue = "${taskQueue}-ktb") AND WorkflowType != "${CAPACITY_WORKFLOW}"${query === undefined ? '' : ` AND ${query}`}`,
      ),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(processes.filter((one) => one.running).map((one) => one.kill()));
      leave();
      await client.connection.close();
      project.remove();
    },
  };
}

interface ConfigParts {
  readonly options: SceneOptions;
  readonly stack: TestStack;
  readonly name: string;
  readonly topic: string;
  readonly taskQueue: string;
  readonly groupId: string;
}

function configSource({ options, stack, name, topic, taskQueue, groupId }: ConfigParts): string {
  const routes = (options.routes ?? `[{ id: 'work', topic: TOPIC, workflow: 'work' }]`).replaceAll(
    'TOPIC',
    JSON.stringify(topic),
  );
  return `
import { defineConfig } from 'kafka-temporal-bridge';
${(options.preamble ?? '').replaceAll('TOPIC', JSON.stringify(topic))}
export default defineConfig({
  name: ${JSON.stringify(name)},
  idPrefix: ${JSON.stringify(options.idPrefix ?? `${name}:`)},
  kafka: { brokers: ${JSON.stringify(stack.kafka.brokers)}, groupId: ${JSON.stringify(groupId)}, sessionTimeoutMs: 10000, ${options.kafka ?? ''} },
  temporal: { address: ${JSON.stringify(stack.temporal.address)}, namespace: ${JSON.stringify(stack.temporal.namespace)}, taskQueue: ${JSON.stringify(taskQueue)}, ${options.temporal ?? ''} },
  worker: { workflowsPath: './workflows/index.ts', activities: './activities/index.ts' },
  routes: ${routes},
  ${options.config ?? ''}
});
`;
}

/** A record with a key, for the default handlers. */
export function keyed(key: string, event: WorkEvent = {}, partition = 0): TestMessage {
  return { partition, key, value: JSON.stringify(event), headers: { 'idempotency-key': key } };
}

/** The last counts that a bridge has logged. */
export function countsOf(bridge: StartedProcess): Readonly<Record<string, number>> {
  const lines = bridge.stderr.split('\n');
  for (let index = lines.length - 1; index >= 0; index--) {
    if (!lines[index]!.includes('"msg":"counts"')) continue;
    try {
      return (JSON.parse(lines[index]!) as { outcomes: Record<string, number> }).outcomes;
    } catch {
      continue; // half written
    }
  }
  return {};
}
