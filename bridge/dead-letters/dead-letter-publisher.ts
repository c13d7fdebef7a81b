import { deadLetterTopicFor } from '../config/dead-letter-topic.js';
import type { ResolvedConfig } from '../config/resolved.js';
import { messageOf } from '../errors.js';
import { oneLine } from '../intake/one-line.js';
import type { RecordLookup } from '../intake/record-lookup.js';
import type { TopicPartition } from '../intake/record-source.js';
import type { AlertRaise } from '../observe/alerts.js';
import type { Logger } from '../observe/logger.js';
import { ownsFirst } from '../observe/first-owner.js';
import { configuredLink } from '../observe/ui-link.js';
import { deadLetterOf, type DeadLetter } from '../operate/dead-letters.js';
import type { Producer } from '../producer/producer.js';
import type { ProducerMessage } from '../producer/producer-options.js';
import { SendError } from '../producer/send-error.js';
import type { CursorPort } from '../temporal/cursor-port.js';
import type { OperatorPort } from '../temporal/operator-port.js';
import { TemporalFault } from '../temporal/temporal-port.js';
import { delay } from '../timing.js';
import { DeadLetterSweep, type Candidate } from './dead-letter-sweep.js';
import { KEPT_BYTES, letterMessage, shortened } from './letter-message.js';
import { originalRecord } from './original-record.js';

export interface DeadLetterPorts {
  readonly operator: OperatorPort;
  readonly cursor: CursorPort;
  readonly lookup: RecordLookup;
  readonly producer: Pick<Producer, 'send' | 'close'>;
}

export interface DeadLetterPublisherOptions {
  readonly config: ResolvedConfig;
  readonly ports: DeadLetterPorts;
  /** The topics of the subscription that exist. @throws where Kafka is away */
  readonly topics: () => Promise<readonly string[]>;
  /** The partitions that are ours. */
  readonly owned: () => readonly TopicPartition[];
  readonly logger: Logger;
  readonly onPublished: (route: string, count: number) => void;
  readonly onFailed: (route: string) => void;
  readonly raise: (alert: AlertRaise) => void;
  /** @default 10000 */
  readonly everyMs?: number;
  readonly overlapMs?: number;
}

const EVERY_MS = 10_000;
/** A bridge that has just begun has no partition yet. */
const UNOWNED_MS = 1_000;

/** Whether there is anything to publish for a configuration. */
export function publishesDeadLetters({ routes }: Pick<ResolvedConfig, 'routes'>): boolean {
  return routes.some(({ deadLetterTopic }) => deadLetterTopic !== undefined);
}

/**
 * Publishes dead letters to their topics, beside the intake, which it never stops: what can't be published is tried again
 * at the next look. One bridge of the group does it; two at the same time (a rebalance) publish the same keys.
 */
export class DeadLetterPublisher {
  readonly #options: DeadLetterPublisherOptions;
  readonly #sweep: DeadLetterSweep;
  /** Routes of which something could not be published at the last look. */
  #failing: ReadonlySet<string> = new Set();
  /** Topics that were there, or that were tried to be made. */
  readonly #made = new Map<string, Promise<void>>();

  constructor(options: DeadLetterPublisherOptions) {
    this.#options = options;
    const { config, ports, logger, onPublished } = options;
    this.#sweep = new DeadLetterSweep({
      scope: config,
      operator: ports.operator,
      cursor: ports.cursor,
      publish: (candidate) => this.#publish(candidate),
      onPublished: (route, count) => {
        logger.info({ route, count }, 'dead letters were published');
        onPublished(route, count);
      },
      ...(options.overlapMs === undefined ? {} : { overlapMs: options.overlapMs }),
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { everyMs = EVERY_MS, logger } = this.#options;
    while (!signal.aborted) {
      await this.look(signal).catch((error: unknown) => {
        // Kafka or Temporal is away, and others say so: the next look begins where this one would have.
        logger.debug({ reason: messageOf(error) }, 'the look for dead letters failed');
      });
      await delay(this.#options.owned().length === 0 ? UNOWNED_MS : everyMs, signal);
    }
  }

  /** @throws TemporalFault, and what Kafka throws */
  async look(signal: AbortSignal): Promise<void> {
    const { topics, owned, config } = this.#options;
    // Most bridges of a group need not ask.
    const mayBe = owned().some(({ partition }) => partition === 0);
    if (!mayBe || !ownsFirst(owned(), await topics())) return this.#sweep.handOver();
    for (const route of config.routes) {
      // Before there is a dead letter: whoever reads the topic wants it to be there.
      const topic = typeof route.topic === 'string' ? deadLetterTopicFor(route, route.topic) : undefined;
      if (topic !== undefined) await this.#makeTopic(topic);
    }
    const failed = new Set<string>();
    try {
      await this.#sweep.sweep(signal, (candidate, error) => {
        failed.add(candidate.route.id);
        this.#failed(candidate, error);
      });
    } finally {
      this.#failing = failed;
    }
  }

  /** What is under way is ended within the time; nothing is lost that isn't. */
  async close(deadlineMs: number): Promise<void> {
    const { operator, cursor, lookup, producer } = this.#options.ports;
    await Promise.allSettled([
      producer.close({ timeoutMs: deadlineMs }),
      lookup.close(),
      cursor.close(),
      operator.close(),
    ]);
  }

  async #publish(candidate: Candidate): Promise<boolean> {
    const { ports } = this.#options;
    const { topic, route, noted, execution } = candidate;
    const letter = await this.#letterOf(candidate);
    if (letter === undefined) return false;
    const original = await originalRecord({ ...execution, noted, route }, ports.lookup, ports.operator);
    await this.#makeTopic(topic);
    try {
      await this.#send(letterMessage(topic, letter, original));
    } catch (error) {
      // It may be missing by now.
      this.#made.delete(topic);
      throw error;
    }
    return true;
  }

  /** Whole, or so much of it as the topic takes. */
  async #send(whole: ProducerMessage, [next, ...others]: readonly number[] = KEPT_BYTES, message = whole) {
    try {
      await this.#options.ports.producer.send(message);
    } catch (error) {
      if (next === undefined || !isTooLarge(error)) throw error;
      await this.#send(whole, others, shortened(whole, next));
    }
  }

  /** Undefined where it is none any more. */
  async #letterOf({ execution, noted }: Candidate): Promise<DeadLetter | undefined> {
    const { config, ports } = this.#options;
    try {
      return await deadLetterOf(ports.operator, config, execution);
    } catch (error) {
      if (!(error instanceof TemporalFault) || error.kind !== 'rejected') throw error;
      // Its failure can't be read here (a codec that is missing), and won't be later.
      const { workflowId, runId, workflowType, taskQueue, closedAt } = execution;
      return {
        ...noted,
        workflowId,
        runId,
        workflowType,
        taskQueue,
        status: execution.status as DeadLetter['status'],
        failedAt: closedAt,
        reason: `its failure can't be read: ${error.message}`,
        errorType: error.name,
        resetEvent: undefined,
        link: configuredLink(config, workflowId, runId),
      };
    }
  }

  /** Once, until a send to it fails. */
  #makeTopic(topic: string): Promise<void> {
    let making = this.#made.get(topic);
    if (!making) {
      making = this.#options.ports.lookup.makeTopic(topic);
      making.catch(() => this.#made.delete(topic));
      this.#made.set(topic, making);
    }
    return making;
  }

  #failed({ route, topic, execution }: Candidate, error: unknown): void {
    const { logger, onFailed, raise } = this.#options;
    const reason = oneLine(messageOf(error));
    onFailed(route.id);
    logger.warn(
      { route: route.id, topic, workflowId: execution.workflowId, runId: execution.runId, reason },
      'a dead letter can not be published; it is tried again',
    );
    // Temporal's own trouble is said elsewhere; a leader that moves is none the next time.
    if (error instanceof TemporalFault || !this.#failing.has(route.id)) return;
    raise({
      kind: 'deadLetterTopic',
      scope: { route: route.id },
      message: `Dead letters of route \`${route.id}\` can't be published to ${topic}: ${reason}. They are kept, and tried again`,
    });
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof SendError && error.code === 'KTB_NOT_DELIVERED' && /TOO_LARGE/.test(error.message);
}
