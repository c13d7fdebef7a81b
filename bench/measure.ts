import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LocalStack } from '../bridge/local-stack/local-stack.js';
import { cpuSeconds } from '../test/faults/process.js';
import { createScene, type Scene } from '../test/faults/scene.js';
import type { TestMessage } from '../test/helpers/kafka.js';
import { historyOf, listExecutions } from '../test/helpers/temporal.js';
import { until } from '../test/helpers/until.js';
import { capacityWorkflowId } from '../workflows/capacity/contract.js';
import type { Feed, FeederSettings } from './feeder.js';
import { PARTS, type Measured, type Part } from './figures.js';

/** `off`: ours without the capacity loop, to see what the loop costs. */
export type Way = 'naive' | 'ours' | 'off' | 'ceiling';

export interface MeasureOptions {
  readonly stack: LocalStack;
  readonly records: number;
  /** Of `ceiling`: as many starts at a time as the bridge has under way. */
  readonly concurrency: number;
}

export const PARTITIONS = 8;
/** The caches of worker, server and feeder are warm, pollers and connections are there: they are not what is compared. */
const WARM_UP = 200;

/**
 * From the moment that the records are sent (or, without Kafka, that the starts begin) until the last handler call has
 * ended. Each way has a new topic, task queue, worker process and feeding process.
 */
export async function measure(way: Way, options: MeasureOptions): Promise<Measured> {
  const { stack, records } = options;
  await using scene = await createScene({
    stack,
    partitions: PARTITIONS,
    ...(way === 'off' ? { config: `capacity: { limit: 'off' },` } : {}),
  });
  const worker = scene.worker();
  await worker.waitForOutput(/"msg":"polling"/, 120_000);
  await using feeder =
    way === 'ours' || way === 'off' ? await bridgeOf(scene) : await feederOf(way, scene, options);
  using calls = new EndedCalls(join(scene.project.dir, 'handlers.jsonl'));

  await feeder.feed(keys('warm', WARM_UP));
  await calls.until(WARM_UP);
  const pids = {
    feeder: feeder.pid,
    worker: worker.pid,
    temporal: stack.temporal.server!.pid,
    kafka: stack.kafka.server!.pid,
  };
  const usedOf = (part: Part) => cpuSeconds(pids[part]);
  const messagesBefore = await loopMessages(scene);
  const before = Object.fromEntries(PARTS.map((part) => [part, usedOf(part)])) as Record<Part, number>;
  const begun = Date.now();
  await feeder.feed(keys('k', records));
  await calls.until(WARM_UP + records);
  const took = (calls.lastAt - begun) / 1000;
  const perRecord = (part: Part) => ((usedOf(part) - before[part]) * 1000) / records;
  return {
    recordsPerSecond: records / took,
    loopMessagesPerSecond: ((await loopMessages(scene)) - messagesBefore) / took,
    cpuMsPerRecord: Object.fromEntries(PARTS.map((part) => [part, perRecord(part)])) as Record<Part, number>,
  };
}

/** What bridges and workers have told the capacity workflow, in all of its runs. */
async function loopMessages({ client, taskQueue }: Scene): Promise<number> {
  const workflowId = capacityWorkflowId(taskQueue);
  let messages = 0;
  for (const { runId } of await listExecutions(client, `WorkflowId = "${workflowId}"`)) {
    const { events } = await historyOf(client, workflowId, runId);
    messages += (events ?? []).filter(
      (event) =>
        event.workflowExecutionSignaledEventAttributes ??
        event.workflowExecutionUpdateAcceptedEventAttributes,
    ).length;
  }
  return messages;
}

interface Feeding extends AsyncDisposable {
  readonly pid: number;
  feed(keys: readonly string[]): Promise<unknown>;
}

const VALUE = JSON.stringify({ n: 0, padding: 'x'.repeat(180) });

function keys(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
}

function toKafka(scene: Scene, all: readonly string[]): Promise<unknown> {
  return scene.produce(
    all.map((key, n): TestMessage => ({
      partition: n % PARTITIONS,
      key,
      value: VALUE,
      headers: { 'idempotency-key': key },
    })),
  );
}

/** As it is shipped, every option at its default. */
async function bridgeOf(scene: Scene): Promise<Feeding> {
  const bridge = scene.bridge('bridge', ['--report-every', '10']);
  await bridge.waitForOutput(/joined the group/, 120_000);
  return {
    pid: bridge.pid,
    feed: (all) => toKafka(scene, all),
    [Symbol.asyncDispose]: async () => void (await bridge.term()),
  };
}

async function feederOf(way: 'naive' | 'ceiling', scene: Scene, options: MeasureOptions): Promise<Feeding> {
  const { taskQueue, topic } = scene;
  const settings: FeederSettings = {
    way,
    ...options.stack.temporal,
    taskQueue,
    brokers: options.stack.kafka.brokers,
    topic,
    groupId: scene.groupId,
    idPrefix: `${scene.name}:`,
    concurrency: options.concurrency,
  };
  const file = fileURLToPath(new URL('./feeder.ts', import.meta.url));
  const child = fork(file, [JSON.stringify(settings)], {
    execArgv: ['--import', import.meta.resolve('tsx')],
  });
  await said(child, 'ready');
  return {
    pid: child.pid!,
    feed: (all) =>
      way === 'naive'
        ? toKafka(scene, all)
        : Promise.resolve(child.send({ keys: all, value: VALUE } satisfies Feed)),
    [Symbol.asyncDispose]: () => ended(child),
  };
}

function said(child: ChildProcess, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('message', (message) => message === word && resolve());
    child.once('exit', (code) =>
      reject(new Error(`Expected the feeder to say ${word}, but it ended with code ${code}`)),
    );
  });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}

/** Counts the lines of ended calls as the file grows: to read it whole each time would cost what is measured. */
class EndedCalls implements Disposable {
  readonly #file: string;
  readonly #seen = new Set<string>();
  #descriptor: number | undefined;
  #offset = 0;
  #rest = '';
  lastAt = 0;

  constructor(file: string) {
    this.#file = file;
  }

  /** Counted once for each key, so that a repeated call does not stand for another record. */
  async until(count: number): Promise<void> {
    await until(() => this.#read(), {
      what: `${count} handler calls to end`,
      timeoutMs: 900_000,
      everyMs: 100,
      accept: (seen) => seen >= count,
    });
  }

  #read(): number {
    if (this.#descriptor === undefined && existsSync(this.#file))
      this.#descriptor = openSync(this.#file, 'r');
    if (this.#descriptor === undefined) return 0;
    const chunk = Buffer.alloc(fstatSync(this.#descriptor).size - this.#offset);
    this.#offset += readSync(this.#descriptor, chunk, 0, chunk.length, this.#offset);
    const lines = (this.#rest + chunk.toString()).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) {
      if (!line.includes('"phase":"ended"')) continue;
      const { key, at } = JSON.parse(line) as { key: string; at: number };
      this.#seen.add(key);
      this.lastAt = Math.max(this.lastAt, at);
    }
    return this.#seen.size;
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
  }
}
