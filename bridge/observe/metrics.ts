import { collectDefaultMetrics, Registry } from 'prom-client';
import type { ResolvedConfig } from '../config/resolved.js';
import type { Settlement } from '../delivery/delivery.js';
import type { MappedRecord } from '../intake/mapped-record.js';
import type { PartitionState } from '../intake/partition-state.js';
import type { CircuitName } from '../../workflows/capacity/contract.js';
import { Labels, OTHER } from './labels.js';
import type { Observed } from './observed.js';
import { createSeries, type Series } from './series.js';

/** Why a record waits, as `ktb_records_deferred_total` has it. */
export type DeferReason = 'held' | 'decoder' | 'demand' | 'pressure' | 'delayed';

const CIRCUIT: Readonly<Record<CircuitName, number>> = { closed: 0, 'half-open': 1, open: 2 };
const PAUSES = ['buffer', 'held', 'stopped', 'drain'] as const;
const GATES = ['backlog', 'circuit', 'paused'] as const;
const PRESSURES = ['memory', 'cpu', 'event-loop', 'slots', 'response'] as const;
const HOLDS = ['quarantineLimit', 'foreign', 'operator'] as const;

type MetricsConfig = Pick<ResolvedConfig, 'routes' | 'kafka' | 'capacity'>;

/** What a bridge tells Prometheus: what happens is counted when it does, what is is asked when somebody looks. */
export class BridgeMetrics {
  readonly #registry = new Registry();
  readonly #series: Series = createSeries(this.#registry);
  readonly #labels: Labels;
  readonly #config: MetricsConfig;
  readonly #now: () => number;

  constructor(config: MetricsConfig, now: () => number = Date.now) {
    this.#config = config;
    this.#labels = new Labels(config);
    this.#now = now;
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** For those who tell beside it: what the bridge itself sends to Kafka. */
  get registry(): Registry {
    return this.#registry;
  }

  /** Every metric, with its kind and its labels. */
  get all() {
    return this.#registry.getMetricsAsArray();
  }

  /** `process_*` and `nodejs_*`. They cost timers, and so are for those who are scraped. */
  withProcessMetrics(): void {
    collectDefaultMetrics({ register: this.#registry });
  }

  settled(record: MappedRecord, { outcome }: Settlement): void {
    const topic = this.#labels.topic(record.source.topic);
    this.#series.processed.inc({ topic, event_type: this.#labels.eventType(record), outcome });
    const route = this.#labels.route(record.route?.id);
    if (outcome === 'conflated') this.#series.conflated.inc({ route });
    if (outcome === 'expired') this.#series.expired.inc({ route });
  }

  /** Temporal has taken its start, just now. */
  started(record: MappedRecord): void {
    if (record.kind !== 'deliver') return;
    const now = this.#now();
    if ((record.notBeforeMs ?? 0) > now) return this.deferred('delayed');
    // Kafka's word for "no timestamp" is -1.
    const { timestampMs } = record.source;
    if (timestampMs >= 0) this.#series.appendToStart.observe(Math.max(0, now - timestampMs) / 1000);
  }

  closed(seconds: number): void {
    this.#series.startToClose.observe(seconds);
  }

  deferred(reason: DeferReason): void {
    this.#series.deferred.inc({ reason });
  }

  deadLetters(route: string, count: number): void {
    this.#series.deadLetters.inc({ route: this.#labels.route(route) }, count);
  }

  deadLettersPublished(route: string, count: number): void {
    this.#series.deadLettersPublished.inc({ route: this.#labels.route(route) }, count);
  }

  deadLetterFailed(route: string): void {
    this.#series.deadLetterPublishFailures.inc({ route: this.#labels.route(route) });
  }

  rebalanced(): void {
    this.#series.rebalances.inc();
  }

  alerted(kind: string): void {
    this.#series.alerts.inc({ kind });
  }

  posted(result: 'sent' | 'failed' | 'dropped'): void {
    this.#series.webhooks.inc({ result });
  }

  committed(result: 'success' | 'failure' | 'skipped', seconds: number): void {
    this.#series.commits.inc({ result });
    if (result !== 'skipped') this.#series.commitSeconds.observe(seconds);
  }

  requested(operation: string, status: string, seconds: number): void {
    this.#series.requestSeconds.observe({ operation, status }, seconds);
  }

  /** In Prometheus' text format. */
  async text(observed: Observed, ready: boolean): Promise<string> {
    this.#look(observed, ready);
    return this.#registry.metrics();
  }

  #look(observed: Observed, ready: boolean): void {
    const { partitions, holds, buffered, admission } = observed;
    const series = this.#series;
    this.#lookAtPartitions(partitions);
    const reasons = partitions.map((state) => pauseOf(state, observed.phase));
    for (const reason of PAUSES)
      series.paused.set({ reason }, reasons.filter((one) => one === reason).length);
    for (const reason of HOLDS)
      series.routesHeld.set({ reason }, holds.filter((hold) => hold.reason === reason).length);
    series.assigned.set(partitions.length);
    series.inFlight.set(admission.inFlight);
    series.waiting.set(partitions.reduce((sum, { waiting }) => sum + waiting, admission.waiting));
    series.bufferedRecords.set(buffered.records);
    series.bufferedBytes.set(buffered.bytes);
    series.backlog.set(observed.backlog);
    series.circuit.set(CIRCUIT[observed.circuit]);
    for (const reason of GATES) series.gateShut.set({ reason }, admission.holds.includes(reason) ? 1 : 0);
    this.#lookAtCapacity(observed.capacity);
    const { reasons: pressure, pollRecords } = observed.pressure;
    for (const of of PRESSURES) series.pressure.set({ of }, pressure.includes(of) ? 1 : 0);
    series.pollRecords.set(pollRecords);
    series.ready.set(ready ? 1 : 0);
    const { limit: moves, minimum } = this.#config.capacity;
    series.limitMinimum.set(moves === 'off' || moves === 'fixed' ? 0 : minimum);
    series.limit.reset();
    for (const [route, limit] of limitsOf(observed, this.#config)) series.limit.set({ route }, limit);
  }

  #lookAtCapacity(capacity: Observed['capacity']): void {
    const series = this.#series;
    const lease = capacity?.lease;
    series.capacityCircuit.set(CIRCUIT[capacity?.circuit ?? 'closed']);
    series.capacityInFlight.set(lease?.inFlight ?? 0);
    series.capacityWorkers.set(lease?.workers ?? 0);
    series.leaseHeld.set(lease?.holds ? 1 : 0);
  }

  #lookAtPartitions(partitions: readonly PartitionState[]): void {
    const series = this.#series;
    const now = this.#now();
    // What was lost in a rebalance is somebody else's to tell.
    for (const one of [
      series.lag,
      series.lagSeconds,
      series.highestSeen,
      series.highestSequential,
      series.committed,
      series.incomplete,
      series.epoch,
      series.lastProgress,
      series.blockingRecords,
      series.blockingSeconds,
    ])
      one.reset();
    const consumergroup = this.#config.kafka.groupId;
    for (const state of partitions) {
      const topic = this.#labels.topic(state.topic);
      const seconds = ageOf(state, now);
      if (topic === OTHER) {
        series.lag.inc({ consumergroup, topic, partition: OTHER }, lagOf(state) ?? 0);
        continue;
      }
      const at = { topic, partition: String(state.partition) };
      const lag = lagOf(state);
      if (lag !== undefined) series.lag.set({ consumergroup, ...at }, lag);
      series.lagSeconds.set({ consumergroup, ...at }, seconds);
      if (state.highestSeen !== undefined) series.highestSeen.set(at, Number(state.highestSeen));
      if (state.highestSequentialSucceeded !== undefined)
        series.highestSequential.set(at, Number(state.highestSequentialSucceeded));
      if (state.committed !== undefined) series.committed.set(at, Number(state.committed));
      series.incomplete.set(at, state.incomplete);
      series.epoch.set(at, state.epoch);
      series.lastProgress.set(at, state.lastProgressAt / 1000);
      const blocked = state.blockedSince;
      series.blockingRecords.set(at, blocked === undefined ? 0 : state.waiting);
      series.blockingSeconds.set(at, blocked === undefined ? 0 : Math.max(0, now - blocked) / 1000);
    }
  }
}

/** What is not committed. Where the group has no position yet it is counted from where we began. */
function lagOf({ committed, committable, logEnd }: PartitionState): number | undefined {
  const from = committed ?? committable;
  if (from === undefined) return undefined;
  return logEnd > from ? Number(logEnd - from) : 0;
}

function ageOf({ oldestMs }: PartitionState, now: number): number {
  return oldestMs === undefined || oldestMs < 0 ? 0 : Math.max(0, now - oldestMs) / 1000;
}

function pauseOf(
  { stopped, blockedBy, paused }: PartitionState,
  phase: Observed['phase'],
): (typeof PAUSES)[number] | undefined {
  if (stopped !== undefined) return 'stopped';
  if (phase === 'draining') return 'drain';
  if (blockedBy !== undefined) return 'held';
  return paused ? 'buffer' : undefined;
}

/** By route; `''` is all of them together. */
function limitsOf(
  { admission, capacity }: Observed,
  { routes }: Pick<ResolvedConfig, 'routes'>,
): readonly (readonly [string, number])[] {
  // Where workers are asked theirs is the limit, and there is none before they have told it.
  const limit = capacity === undefined ? admission.limit : capacity.limit;
  return [
    ...(limit === undefined ? [] : [['', limit] as const]),
    ...routes.flatMap(({ id, maxInFlight }) =>
      maxInFlight === undefined ? [] : [[id, maxInFlight] as const],
    ),
  ];
}
