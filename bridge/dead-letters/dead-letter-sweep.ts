import { deadLetterTopicFor } from '../config/dead-letter-topic.js';
import type { ResolvedRoute } from '../config/resolved.js';
import { taskQueuesOf } from '../config/task-queues.js';
import { topicMatcher } from '../config/topic-pattern.js';
import { concurrently } from '../operate/concurrently.js';
import type { OperateScope } from '../operate/dead-letters.js';
import { notedRecordOf, type NotedRecord } from '../operate/record-memo.js';
import { oneOf, quoted } from '../operate/visibility-query.js';
import type { CursorPort } from '../temporal/cursor-port.js';
import type { ListedExecution, OperatorPort } from '../temporal/operator-port.js';
import { SweepState } from './sweep-state.js';

/** What is to be looked at, and published if it still is a dead letter. */
export interface Candidate {
  readonly route: ResolvedRoute;
  readonly topic: string;
  readonly noted: NotedRecord;
  readonly execution: ListedExecution & { readonly closedAt: number };
}

export interface SweepOptions {
  readonly scope: OperateScope;
  readonly operator: Pick<OperatorPort, 'list'>;
  readonly cursor: CursorPort;
  /** @returns whether it was published: what has been run again since it ended is none any more. @throws what is tried again */
  readonly publish: (candidate: Candidate) => Promise<boolean>;
  readonly onPublished: (route: string, count: number) => void;
  /** So many are kept in memory: of more, the oldest; the others are next. @default 10000 */
  readonly atOnce?: number;
  readonly overlapMs?: number;
  /** @default performance.now */
  readonly elapsedMs?: () => number;
}

/** Told once a sweep and route. */
export type OnFailed = (candidate: Candidate, error: unknown) => void;

/** What was published is kept after so many: a crash has that much published once more. */
const STEP = 100;

/**
 * Looks for executions that ended badly since the last look, and publishes them. It moves on only behind what Kafka has
 * acknowledged, route by route, so that nothing is forgotten, whenever it ends and whoever goes on; what is published twice
 * has the same key.
 */
export class DeadLetterSweep {
  readonly #options: SweepOptions;
  readonly #routes: readonly ResolvedRoute[];
  readonly #state: SweepState;
  #kept: unknown;
  #known = false;

  constructor(options: SweepOptions) {
    this.#options = options;
    this.#routes = options.scope.routes.filter(({ deadLetterTopic }) => deadLetterTopic !== undefined);
    this.#state = new SweepState(
      this.#routes.map(({ id }) => id),
      options.overlapMs,
      options.elapsedMs,
    );
  }

  /** Somebody else may sweep meanwhile: the next look asks again how far that is. */
  handOver(): void {
    this.#known = false;
  }

  /** @throws TemporalFault */
  async sweep(signal: AbortSignal, onFailed: OnFailed): Promise<void> {
    if (!this.#known) {
      this.#kept = await this.#options.cursor.read();
      this.#state.merge(this.#kept);
      this.#known = true;
    }
    const stuck = new Set<string>();
    const began = this.#state.elapsedMs;
    for (let more = true; more && !signal.aborted;) {
      more = await this.#look(stuck, signal, onFailed);
    }
    if (!signal.aborted) for (const { id } of this.#routes) if (!stuck.has(id)) this.#state.swept(id, began);
    this.#state.prune();
    if (this.#state.isAheadOf(this.#kept)) await this.#keep();
  }

  /**
   * @param stuck routes of which something can't be published for now
   * @returns whether there was more than is taken at once
   */
  async #look(stuck: Set<string>, signal: AbortSignal, onFailed: OnFailed): Promise<boolean> {
    const { candidates, newest, more } = await this.#candidates(stuck, signal);
    for (let from = 0; from < candidates.length && !signal.aborted; from += STEP) {
      const step = candidates.slice(from, from + STEP);
      const published = await this.#publish(step, stuck, signal, onFailed);
      if (!signal.aborted) this.#advance(step.at(-1)!.execution.closedAt, stuck);
      if (published > 0) await this.#keep();
    }
    if (!signal.aborted && !more && newest !== undefined) this.#advance(newest, stuck);
    return more;
  }

  /** Oldest first. `newest`: when the last execution closed that visibility knows of, whosever it is. */
  async #candidates(stuck: ReadonlySet<string>, signal: AbortSignal) {
    const { operator, atOnce = 10_000 } = this.#options;
    let candidates: Candidate[] = [];
    let newest: number | undefined;
    let more = false;
    for await (const execution of operator.list(this.#query(), signal)) {
      const { closedAt } = execution;
      if (closedAt === undefined) continue;
      newest = Math.max(newest ?? closedAt, closedAt);
      const candidate = this.#candidateOf({ ...execution, closedAt });
      if (candidate === undefined || stuck.has(candidate.route.id)) continue;
      candidates.push(candidate);
      // It comes newest first.
      if (candidates.length < 2 * atOnce) continue;
      candidates = oldestFirst(candidates).slice(0, atOnce);
      more = true;
    }
    candidates = oldestFirst(candidates);
    if (candidates.length > atOnce) more = true;
    return { candidates: candidates.slice(0, atOnce), newest, more };
  }

  #query(): string {
    const { from } = this.#state;
    return [
      oneOf('ExecutionStatus', ['Failed', 'TimedOut', 'Terminated']),
      oneOf('TaskQueue', taskQueuesOf(this.#options.scope)),
      ...(from === undefined ? [] : [`CloseTime >= ${quoted(new Date(from).toISOString())}`]),
    ].join(' AND ');
  }

  #candidateOf(execution: Candidate['execution']): Candidate | undefined {
    const noted = notedRecordOf(execution.memo);
    if (noted.subscription !== this.#options.scope.name || this.#state.has(execution.runId)) return undefined;
    const route = this.#routeOf(noted);
    const topic = route && deadLetterTopicFor(route, noted.topic);
    if (topic === undefined || execution.closedAt < (this.#state.fromOf(route!.id) ?? -Infinity))
      return undefined;
    return { route: route!, topic, noted, execution };
  }

  /** What no route could be found for belongs to the first one that reads its topic and publishes. */
  #routeOf({ route, topic }: NotedRecord): ResolvedRoute | undefined {
    if (route !== '') return this.#routes.find(({ id }) => id === route);
    return this.#routes.find((one) => topicMatcher(one.topic)(topic));
  }

  /** One that can't be published keeps its route back, and no other. @returns how many were */
  async #publish(
    step: readonly Candidate[],
    stuck: Set<string>,
    signal: AbortSignal,
    onFailed: OnFailed,
  ): Promise<number> {
    const { publish, onPublished } = this.#options;
    const counts = new Map<string, number>();
    const ended = concurrently(
      step,
      async (candidate) => {
        const { route, execution } = candidate;
        if (stuck.has(route.id) || signal.aborted) return;
        try {
          const published = await publish(candidate);
          // What was run again is no dead letter any more, nor will it be.
          this.#state.add(execution.runId, route.id, execution.closedAt);
          if (published) counts.set(route.id, (counts.get(route.id) ?? 0) + 1);
        } catch (error) {
          if (signal.aborted || stuck.has(route.id)) return;
          stuck.add(route.id);
          onFailed(candidate, error);
        }
      },
      undefined,
    );
    for await (const _ of ended);
    for (const [route, count] of counts) onPublished(route, count);
    return [...counts.values()].reduce((sum, count) => sum + count, 0);
  }

  #advance(until: number, stuck: ReadonlySet<string>): void {
    for (const { id } of this.#routes) if (!stuck.has(id)) this.#state.advance(id, until);
  }

  async #keep(): Promise<void> {
    this.#state.prune();
    await this.#options.cursor.update((kept) => {
      this.#state.merge(kept);
      return (this.#kept = this.#state.toKept());
    });
  }
}

function oldestFirst(candidates: readonly Candidate[]): Candidate[] {
  return candidates.toSorted((a, b) => a.execution.closedAt - b.execution.closedAt);
}
