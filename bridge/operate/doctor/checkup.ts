import type { ResolvedConfig } from '../../config/resolved.js';
import type { KafkaInspectorPort } from '../../intake/kafka-inspector-port.js';
import { topicsOf } from '../../intake/record-mapper.js';
import { subscriptionMarkIn, type SubscriptionMark } from '../../intake/subscription.js';
import type { InspectorPort, TaskKind, TaskQueueFacts } from '../../temporal/inspector-port.js';
import { ownTaskQueue } from '../../../workflows/contract.js';
import type { CheckName, Observation } from './finding.js';

export interface CheckupOptions {
  readonly config: ResolvedConfig;
  readonly temporal: InspectorPort;
  readonly kafka: KafkaInspectorPort;
  /** Whether an execution may be started to see what the server makes of it. */
  readonly probe: boolean;
  /** @default Date.now */
  readonly now?: () => number;
}

/** What checks need in common, each asked for once. */
export class Checkup {
  readonly config: ResolvedConfig;
  readonly temporal: InspectorPort;
  readonly kafka: KafkaInspectorPort;
  readonly mayProbe: boolean;
  readonly now: () => number;
  readonly #queues = new Map<string, Promise<TaskQueueFacts>>();

  constructor(options: CheckupOptions) {
    this.config = options.config;
    this.temporal = options.temporal;
    this.kafka = options.kafka;
    this.mayProbe = options.probe;
    this.now = options.now ?? Date.now;
  }

  readonly allTopics = once(() => this.kafka.topics());

  /** The topics of the subscription that exist. */
  readonly topics = once(async () => {
    const wanted = topicsOf(this.config.routes);
    return (await this.allTopics()).filter(
      (topic) =>
        !topic.startsWith('__') &&
        wanted.some((one) => (typeof one === 'string' ? one === topic : one.test(topic))),
    );
  });

  readonly logs = once(async () => this.kafka.logs(await this.topics()));

  readonly committed = once(async () => this.kafka.committed(await this.topics()));

  readonly keepsForMs = once(
    async () =>
      new Map(
        await Promise.all(
          (await this.topics()).map(async (topic) => [topic, await this.kafka.keepsForMs(topic)] as const),
        ),
      ),
  );

  /** Who has committed in our group, by what they wrote beside it. */
  readonly marks = once(async () =>
    (await this.committed())
      .map(({ metadata }) => subscriptionMarkIn(metadata))
      .filter((mark): mark is SubscriptionMark => mark !== undefined),
  );

  readonly namespace = once(() => this.temporal.namespace());

  readonly searchAttributes = once(() => this.temporal.searchAttributes());

  taskQueue(name: string, kind: TaskKind): Promise<TaskQueueFacts> {
    const key = `${kind} ${name}`;
    const known = this.#queues.get(key);
    if (known) return known;
    const asked = this.temporal.taskQueue(name, kind);
    this.#queues.set(key, asked);
    return asked;
  }

  /** The user's queue and ours: those that a `ktb worker` of this config polls. */
  get workerQueues(): readonly string[] {
    const { taskQueue } = this.config.temporal;
    return [taskQueue, ownTaskQueue(taskQueue)];
  }

  /** Queues that routes name beside them, each with those routes' IDs. */
  get foreignQueues(): ReadonlyMap<string, readonly string[]> {
    const queues = new Map<string, string[]>();
    for (const { id, target } of this.config.routes) {
      const queue = target.kind === 'workflow' ? target.options.taskQueue : undefined;
      if (queue === undefined || this.workerQueues.includes(queue)) continue;
      queues.set(queue, [...(queues.get(queue) ?? []), id]);
    }
    return queues;
  }
}

/** One thing that is looked at. */
export interface Check {
  readonly name: CheckName;
  /** The sides that must answer for it. */
  readonly needs: readonly ('temporal' | 'kafka')[];
  /** At least one observation. What it throws becomes one. */
  readonly look: (checkup: Checkup) => Promise<readonly Observation[]>;
}

export function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined;
  return () => (asked ??= ask());
}

/** `1 topic`, `2 topics`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Days and hours, as people set retention. */
export function spanText(ms: number): string {
  const hours = ms / 3_600_000;
  if (hours >= 48) return `${Math.round((hours / 24) * 10) / 10} days`;
  if (hours >= 1) return `${Math.round(hours * 10) / 10} h`;
  return ms >= 60_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 1000)} s`;
}

/** The first few of a list, and how many more there are. */
export function listText(items: readonly string[], shown = 5): string {
  const more = items.length - shown;
  return more > 0 ? `${items.slice(0, shown).join(', ')} and ${more} more` : items.join(', ');
}
