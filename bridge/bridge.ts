/**
 * The bridge, and the way of one record through it:
 *
 *   intake/kafka-source       fetches it, as a copy, read_committed
 *   intake/intake             takes it if the budget allows, notes its offset, else it is fetched again
 *   intake/partition-lane     hands on by priority, each key's records in their order, and waits where its route is held
 *   intake/record-mapper      decodes it, finds its route and its idempotency key, or says why not
 *   shaping/route-stage       where its route has `demand` or `conflate`: keeps it, or lets a later one of its key supersede it
 *   admission/rated-admission lets it pass at its route's rate
 *   admission/admission       gives it a permit, when there is room
 *   delivery/target-delivery  on signal and update routes: waits for its turn, and for its end
 *   delivery/workflow-delivery  starts its workflow, or its quarantine, or learns that somebody has
 *   intake/offset-tracker     notes what became of it
 *   intake/committer          commits what lies below everything that is not done
 *
 * What ended badly is published beside it, by dead-letters/dead-letter-publisher, where a route says so.
 *
 * Only clients.ts, worker.ts, own-worker.ts and, for operating, operate/bridge-client.ts, doctor.ts, setup.ts and topics.ts
 * construct clients; everything else takes ports.
 */
import type { CapacityLoopState } from './admission/capacity-loop.js';
import type { Hold } from './admission/route-holds.js';
import { clientsOf, type BridgePorts } from './clients.js';
import type { ResolvedConfig } from './config/resolved.js';
import { overlappingRoutes } from './config/resolve.js';
import { OUTCOMES, type Outcome } from './delivery/outcomes.js';
import type { PartitionState } from './intake/intake.js';
import { collectDeadBuffers } from './observe/garbage.js';
import type { HealthReport } from './observe/health.js';
import { createLogger, type Logger } from './observe/logger.js';
import { Observation } from './observe/observation.js';
import type { Observed } from './observe/observed.js';
import { Phase, type BridgePhase } from './observe/phase.js';
import type { PressureState } from './pressure/bridge-pressure.js';
import { createStages, type Stages } from './stages.js';
import { awaitTemporal, checkSubscription } from './startup.js';
import { within } from './timing.js';

export interface BridgeOptions {
  readonly logger?: Logger;
  /** Takes over a group that another subscription has committed in. @default false */
  readonly rename?: boolean;
  /** Ports to use instead of the real ones. */
  readonly ports?: BridgePorts;
}

export interface BridgeStatus extends CapacityLoopState {
  readonly name: string;
  readonly phase: BridgePhase;
  /** Why it waits. */
  readonly reason: string | undefined;
  /** Records, counted once, when their outcome was known. */
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly partitions: readonly PartitionState[];
  readonly holds: readonly Hold[];
  readonly buffered: { readonly records: number; readonly bytes: number };
  readonly inFlight: number;
  readonly backlog: number;
  /** What keeps records from being started: `backlog`, `circuit`, `paused`. */
  readonly gates: readonly string[];
  readonly pressure: PressureState;
}

const NO_LOOP: CapacityLoopState = { limit: undefined, circuit: undefined, lease: undefined, paused: [] };

/** For the last word to the capacity workflow. */
const SLOTS_BACK_MS = 1_000;

/** A running bridge. */
export class Bridge {
  readonly #config: ResolvedConfig;
  readonly #logger: Logger;
  readonly #rename: boolean;
  readonly #outcomes = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Record<Outcome, number>;
  readonly #phase: Phase;
  readonly #observation: Observation;
  readonly #stages: Stages;
  readonly #stop = new AbortController();
  readonly #loops: Promise<void>[] = [];
  #closing: Promise<void> | undefined;

  constructor(config: ResolvedConfig, options: BridgeOptions = {}) {
    this.#config = config;
    this.#rename = options.rename ?? false;
    this.#logger = options.logger ?? createLogger({ name: 'bridge', level: config.logLevel });
    this.#observation = new Observation(config, this.#logger, () => this.#observed());
    const { alerts, metrics } = this.#observation;
    this.#phase = new Phase(this.#logger, (message) => alerts.raise({ kind: 'connection', message }));
    this.#stages = createStages(
      config,
      clientsOf(config, options.ports ?? {}, this.#logger, metrics.registry),
      {
        observation: this.#observation,
        phase: this.#phase,
        logger: this.#logger,
        outcomes: this.#outcomes,
      },
    );
  }

  /**
   * Joins the group and begins; waits as long as Kafka or Temporal is away.
   * @throws BridgeError `KTB_SUBSCRIPTION` if the group belongs to a subscription of another name; `KTB_KAFKA` or
   * `KTB_TEMPORAL` if one of them refuses us or shows a certificate that isn't to be trusted
   */
  async start(): Promise<void> {
    const { signal } = this.#stop;
    const { source, temporal, intake, pressure, committer, backlog, logWatch, capacity, deadLetters } =
      this.#stages;
    await this.#observation.listen();
    for (const warning of overlappingRoutes(this.#config.routes)) this.#logger.warn(warning);
    const { brokers } = this.#config.kafka;
    await source.open(signal, (why) => this.#phase.waits('Kafka', brokers.join(','), why));
    if (!this.#rename) await checkSubscription(this.#config, source, this.#phase, signal);
    await awaitTemporal(this.#config, temporal, this.#phase, this.#logger, signal);
    if (signal.aborted) return;
    pressure.start();
    await source.start(intake, signal);
    if (signal.aborted) return;
    signal.addEventListener(
      'abort',
      collectDeadBuffers(() => intake.buffered.bytes),
      { once: true },
    );
    this.#loops.push(
      committer.run(signal),
      backlog.run(signal),
      logWatch.run(signal),
      this.#observation.run(source, temporal, signal),
    );
    if (capacity) this.#loops.push(capacity.run());
    if (deadLetters) this.#loops.push(deadLetters.run(signal));
  }

  /** Stops taking, lets what runs end, commits, leaves the group: all under `drainTimeoutMs`. Again: the same promise. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  status(): BridgeStatus {
    const { intake, holds, backlog, pressure, capacity } = this.#stages;
    const admission = this.#stages.admission.state();
    return {
      name: this.#config.name,
      phase: this.#phase.now,
      reason: this.#phase.reason,
      outcomes: { ...this.#outcomes },
      partitions: intake.partitions,
      holds: holds.all,
      buffered: intake.buffered,
      inFlight: admission.inFlight,
      backlog: backlog.backlog,
      gates: admission.holds,
      pressure: pressure.state(),
      ...(capacity?.state() ?? NO_LOOP),
    };
  }

  /** Where probes and metrics are served, if they are. */
  get url(): string | undefined {
    return this.#observation.url;
  }

  /** Every metric, in Prometheus' text format. */
  metrics(): Promise<string> {
    return this.#observation.text();
  }

  /** What `/readyz` says, for a server of one's own. */
  readiness(): HealthReport {
    return this.#observation.ready();
  }

  #observed(): Observed {
    const { source, intake, holds, admission, backlog, circuit, capacity, pressure } = this.#stages;
    return {
      phase: this.#phase.now,
      phaseSince: this.#phase.since,
      reason: this.#phase.reason,
      partitions: intake.partitions,
      holds: holds.all,
      buffered: intake.buffered,
      admission: admission.state(),
      backlog: backlog.backlog,
      circuit: circuit.state,
      capacity: capacity?.state(),
      pressure: pressure.state(),
      lastFetchAt: source.lastFetchAt,
    };
  }

  async #close(): Promise<void> {
    const { drainTimeoutMs } = this.#config;
    const { source, temporal, intake, pressure, committer, capacity, capacityPort, deadLetters } =
      this.#stages;
    const deadline = Date.now() + drainTimeoutMs;
    const left = () => Math.max(0, deadline - Date.now());
    this.#phase.ends('draining');
    this.#logger.info({ drainTimeoutMs }, 'draining: nothing more is taken');
    // What runs may use most of the time; a last commit and leaving the group need some of it.
    await within(intake.drain(left() * 0.5), left() * 0.7, () => undefined);
    const slotsBack = capacity?.close(Math.min(SLOTS_BACK_MS, left() * 0.1));
    this.#stop.abort();
    pressure.close();
    await within(committer.flush(), left() * 0.6, () => undefined);
    await Promise.all([source.stop(left()), slotsBack]);
    await within(
      Promise.allSettled([
        ...this.#loops,
        temporal.close(),
        capacityPort?.close(),
        deadLetters?.close(left() * 0.5),
      ]).then(() => undefined),
      left(),
      () => undefined,
    );
    this.#phase.ends('stopped');
    await this.#observation.close(left());
    this.#logger.info({ outcomes: this.#outcomes }, 'stopped');
  }
}
