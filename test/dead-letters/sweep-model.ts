import { resolveConfig } from '../../bridge/config/resolve.js';
import { DeadLetterSweep, type Candidate } from '../../bridge/dead-letters/dead-letter-sweep.js';
import type { CursorPort } from '../../bridge/temporal/cursor-port.js';
import type { ListedExecution } from '../../bridge/temporal/operator-port.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { CursorDouble } from '../helpers/doubles/cursor-double.js';

export const OVERLAP_MS = 100;

export const CONFIG = resolveConfig(
  {
    name: 'orders',
    kafka: { brokers: ['localhost:9092'], groupId: 'orders' },
    temporal: { taskQueue: 'orders' },
    routes: [
      { id: 'placed', topic: 'orders', eventType: 'placed', workflow: 'w', deadLetterTopic: true },
      { id: 'paid', topic: 'orders', eventType: 'paid', workflow: 'w', deadLetterTopic: 'dead' },
      { id: 'quiet', topic: 'orders', eventType: 'quiet', workflow: 'w' },
    ],
  },
  { baseDir: '/', env: {} },
);

interface Closed extends ListedExecution {
  readonly closedAt: number;
  readonly visibleAt: number;
}

export interface CloseFields {
  readonly route?: string;
  readonly subscription?: string;
  readonly topic?: string;
  /** How much later visibility hears of it. */
  readonly lagMs?: number;
}

export interface BridgeEnd {
  readonly endsAfter?: number;
  readonly dies?: boolean;
}

/** A process that sweeps: what it knows is gone when it dies. */
export interface ModelBridge {
  readonly sweep: DeadLetterSweep;
  readonly process: AbortController;
  readonly failed: string[];
  run(): Promise<void>;
}

/** A Temporal and a Kafka that know dead letters only, by a clock that is moved by hand. */
export class SweepModel {
  now = 1_000_000;
  readonly cursor = new CursorDouble();
  /** In the order of Kafka's acknowledgements: route and run. */
  readonly log: { readonly route: string; readonly topic: string; readonly run: string }[] = [];
  /** Routes of which Kafka takes nothing. */
  readonly refused = new Set<string>();
  readonly superseded = new Set<string>();
  queries: string[] = [];
  looks = 0;
  readonly #closed: Closed[] = [];

  /** @returns the run */
  close({
    route = 'placed',
    subscription = 'orders',
    topic = 'orders',
    lagMs = 0,
  }: CloseFields = {}): string {
    const run = `run-${String(this.#closed.length).padStart(3, '0')}`;
    this.#closed.push({
      workflowId: `w-${this.#closed.length}`,
      runId: run,
      workflowType: 'w',
      taskQueue: 'orders',
      status: 'failed',
      startedAt: this.now,
      closedAt: this.now,
      visibleAt: this.now + lagMs,
      memo: { subscription, route, topic, partition: 0, offset: '1', timestamp: 1 },
    });
    return run;
  }

  /** It is told to end after so many acknowledgements; one that dies can keep nothing then. */
  bridge(options: BridgeEnd = {}): ModelBridge {
    const process = new AbortController();
    const { endsAfter = Infinity, dies = true } = options;
    const isDead = () => dies && process.signal.aborted;
    const failed: string[] = [];
    let acknowledged = 0;
    const publish = async ({ route, topic, execution }: Candidate): Promise<boolean> => {
      await Promise.resolve();
      this.looks++;
      if (process.signal.aborted) throw new Error('it ends');
      if (this.superseded.has(execution.runId)) return false;
      if (this.refused.has(route.id)) throw new Error('Kafka takes nothing');
      this.log.push({ route: route.id, topic, run: execution.runId });
      if (++acknowledged >= endsAfter) process.abort();
      return true;
    };
    const sweep = new DeadLetterSweep({
      scope: CONFIG,
      operator: { list: (query) => this.#list(query) },
      cursor: ofProcess(this.cursor, isDead),
      publish,
      onPublished: () => undefined,
      atOnce: 4,
      overlapMs: OVERLAP_MS,
      elapsedMs: () => this.now,
    });
    return {
      sweep,
      process,
      failed,
      run: () => sweep.sweep(process.signal, ({ route }) => failed.push(route.id)),
    };
  }

  /** Runs that were published, each as often as it was. */
  published(route?: string): readonly string[] {
    return this.log.filter((one) => route === undefined || one.route === route).map(({ run }) => run);
  }

  async *#list(query: string): AsyncIterable<ListedExecution> {
    this.queries.push(query);
    const from = Date.parse(/CloseTime >= "([^"]+)"/.exec(query)?.[1] ?? '1970-01-01T00:00:00Z');
    const seen = this.#closed.filter(({ closedAt, visibleAt }) => closedAt >= from && visibleAt <= this.now);
    for (const one of seen.toSorted((a, b) => b.closedAt - a.closedAt)) yield one;
  }
}

function ofProcess(cursor: CursorPort, isDead: () => boolean): CursorPort {
  const alive = () => {
    if (isDead()) throw new TemporalFault('systemic', 'it is dead');
  };
  return {
    read: async () => {
      alive();
      return cursor.read();
    },
    update: async (change) => {
      alive();
      await cursor.update(change);
    },
    close: () => cursor.close(),
  };
}
