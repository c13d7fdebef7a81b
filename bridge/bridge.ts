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
 * Only this file, worker.ts, own-worker.ts and, for operating, operate/bridge-client.ts, doctor.ts, setup.ts and topics.ts
 * construct clients; everything else takes ports.
 */
import { QueueAdmission } from './admission/admission.js';
import { CallBudget } from './admission/call-budget.js';
import { RatedAdmission } from './admission/rated-admission.js';
import { BacklogGate } from './admission/backlog-gate.js';
import { recordsOnly, type CapacityLoop, type CapacityLoopState } from './admission/capacity-loop.js';
import { createCapacityLoop } from './admission/create-capacity-loop.js';
import { RouteHolds, type Hold } from './admission/route-holds.js';
import { DEFAULTS } from './config/defaults.js';
import type { ResolvedConfig } from './config/resolved.js';
import { fingerprintOf } from './config/fingerprint.js';
import { overlappingRoutes } from './config/resolve.js';
import { taskQueuesOf } from './config/task-queues.js';
import {
  DeadLetterPublisher,
  publishesDeadLetters,
  type DeadLetterPorts,
} from './dead-letters/dead-letter-publisher.js';
import { RefusalReporter } from './connections/refusal-reporter.js';
import { temporalService } from './connections/service.js';
import { TemporalCircuit } from './delivery/circuit.js';
import { CloseWatch } from './delivery/close-watch.js';
import type { Delivery } from './delivery/delivery.js';
import { FaultJudge } from './delivery/fault-judge.js';
import { OUTCOMES, type Outcome } from './delivery/outcomes.js';
import { PersistentCalls } from './delivery/persistent-calls.js';
import { scopeOf } from './delivery/record-start.js';
import { TargetDelivery } from './delivery/target-delivery.js';
import { WorkflowDelivery } from './delivery/workflow-delivery.js';
import { messageOf } from './errors.js';
import { Committer } from './intake/committer.js';
import { Intake, type PartitionState } from './intake/intake.js';
import { KafkaLookup } from './intake/kafka-lookup.js';
import { KafkaSource } from './intake/kafka-source.js';
import { LogWatch } from './intake/log-watch.js';
import { createRecordMapper, topicsOf } from './intake/record-mapper.js';
import type { RecordSource } from './intake/record-source.js';
import { collectDeadBuffers } from './observe/garbage.js';
import type { HealthReport } from './observe/health.js';
import { intakeLog } from './observe/intake-log.js';
import { createLogger, type Logger } from './observe/logger.js';
import { Observation } from './observe/observation.js';
import type { Observed } from './observe/observed.js';
import { Phase, type BridgePhase } from './observe/phase.js';
import { Producer } from './producer/producer.js';
import { BridgePressure, type PressureState } from './pressure/bridge-pressure.js';
import { Shaping } from './shaping/shaping.js';
import { awaitTemporal, checkSubscription } from './startup.js';
import type { CapacityPort } from './temporal/capacity-port.js';
import { SdkCapacityPort } from './temporal/sdk-capacity-port.js';
import { SdkCursorPort } from './temporal/sdk-cursor-port.js';
import { SdkOperatorPort } from './temporal/sdk-operator-port.js';
import { SdkTemporalPort } from './temporal/sdk-temporal-port.js';
import type { TemporalPort } from './temporal/temporal-port.js';
import { within } from './timing.js';
import { ownTaskQueue } from '../workflows/contract.js';

export interface BridgeOptions {
  readonly logger?: Logger;
  /** Takes over a group that another subscription has committed in. @default false */
  readonly rename?: boolean;
  /** Ports to use instead of the real ones. */
  readonly ports?: {
    readonly source?: RecordSource;
    readonly temporal?: TemporalPort;
    readonly capacity?: CapacityPort;
    readonly deadLetters?: DeadLetterPorts;
  };
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
  readonly #source: RecordSource;
  readonly #temporal: TemporalPort;
  readonly #holds: RouteHolds;
  readonly #admission: QueueAdmission;
  readonly #rated: RatedAdmission;
  /** Undefined where no worker is asked. */
  readonly #capacity: CapacityLoop | undefined;
  readonly #capacityPort: CapacityPort | undefined;
  readonly #backlog: BacklogGate;
  readonly #pressure: BridgePressure;
  readonly #intake: Intake;
  readonly #committer: Committer;
  readonly #logWatch: LogWatch;
  /** Undefined where no route publishes its dead letters. */
  readonly #deadLetters: DeadLetterPublisher | undefined;
  readonly #outcomes = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Record<Outcome, number>;
  readonly #stop = new AbortController();
  readonly #loops: Promise<void>[] = [];
  readonly #phase: Phase;
  readonly #observation: Observation;
  #circuit: TemporalCircuit | undefined;
  #closing: Promise<void> | undefined;

  constructor(config: ResolvedConfig, options: BridgeOptions = {}) {
    this.#config = config;
    this.#rename = options.rename ?? false;
    const logger = (this.#logger =
      options.logger ?? createLogger({ name: 'bridge', level: config.logLevel }));
    const observation = (this.#observation = new Observation(config, logger, () => this.#observed()));
    const { alerts, metrics } = observation;
    const phase = (this.#phase = new Phase(logger, (message) =>
      alerts.raise({ kind: 'connection', message }),
    ));
    const source = (this.#source = options.ports?.source ?? kafkaSource(config, logger));
    const temporal = (this.#temporal = observation.temporal(
      options.ports?.temporal ?? new SdkTemporalPort(config.temporal),
    ));
    const holds = (this.#holds = new RouteHolds({
      quarantineLimit: config.quarantineLimit,
      foreignLimit: config.foreignLimit,
      idPrefix: config.idPrefix,
      onHold: (hold) => observation.held(hold),
    }));
    const port = (this.#capacityPort = observation.capacity(capacityPort(config, options.ports)));
    const capacity = (this.#capacity = createCapacityLoop(config, port, logger, {
      holds,
      backlog: () => this.#backlog,
      alerts,
    }));
    const admission = (this.#admission = new QueueAdmission(config.maxConcurrentStarts, capacity, (reason) =>
      this.#pressure.deferred(reason),
    ));
    capacity?.serve(admission);
    const pressure = (this.#pressure = new BridgePressure({
      pressure: config.pressure,
      maxPollRecords: config.maxPollRecords,
      admission,
      workers: () => capacity?.workersPressure ?? [],
      onDeferred: () => metrics.deferred('pressure'),
      logger,
    }));
    const backlog = (this.#backlog = new BacklogGate({
      port: capacity === undefined ? temporal : recordsOnly(temporal, config.temporal.taskQueue),
      admission,
      onLook: () => capacity?.gate.turn(),
      taskQueues: taskQueuesOf(config),
      maxBacklog: config.maxBacklog,
      onChange: (held, tasks) =>
        logger.info(
          { held, tasks },
          held ? 'intake pauses: too many tasks wait for a worker' : 'intake resumes',
        ),
    }));
    const mapper = createRecordMapper(config, Date.now, (message) => logger.warn(message));
    const rated = (this.#rated = new RatedAdmission(admission, config.routes));
    const intake = (this.#intake = new Intake(source, {
      buffer: { ...config.buffer, minimumShare: config.maxPollRecords },
      maxPollRecords: () => pressure.pollRecords,
      startFrom: config.kafka.startFrom,
      onLostRange: config.kafka.onLostRange,
      stages: {
        map: (record) => mapper.map(record),
        priorityOf: (record) => mapper.priorityOf(record),
        shaping: new Shaping(config.routes),
        mapJudge: new FaultJudge(),
        holds,
        admission: rated,
        delivery: this.#delivery(temporal, holds, backlog),
        onTrouble: ({ topic, partition, offset }, message, error) =>
          logger.warn(
            { topic, partition, offset: offset.toString(), reason: messageOf(error) },
            `the record ${message}`,
          ),
        onDeferred: (why) => metrics.deferred(why),
      },
      events: observation.events(intakeLog(config, logger, phase, this.#outcomes)),
    }));
    const deadLetters = deadLetterPorts(config, options.ports, logger);
    this.#deadLetters =
      deadLetters &&
      new DeadLetterPublisher({
        config,
        ports: deadLetters,
        topics: () => source.existingTopics(),
        owned: () => intake.partitions,
        logger,
        onPublished: (route, count) => metrics.deadLettersPublished(route, count),
        onFailed: (route) => metrics.deadLetterFailed(route),
        raise: (alert) => alerts.raise(alert),
      });
    this.#committer = new Committer({
      source,
      intake,
      intervalMs: config.kafka.commitIntervalMs,
      onCommit: (result, seconds, why) => {
        metrics.committed(result, seconds);
        if (result === 'failure')
          logger.debug({ reason: why }, 'a commit was refused; the next one brings it along');
      },
    });
    this.#logWatch = new LogWatch({
      source,
      intake,
      watchdogMs: config.watchdogMs,
      onStuck: (_partitions, message) => alerts.raise({ kind: 'watchdog', message }),
      onLook: () => observation.kafkaAnswered(),
      onRefused: (why) => phase.waits('Kafka', config.kafka.brokers.join(','), why, true),
      onAnswer: () => {
        if (phase.now !== 'waiting') return;
        phase.runs();
        logger.info('Kafka takes us again');
      },
    });
  }

  /**
   * Joins the group and begins; waits as long as Kafka or Temporal is away.
   * @throws BridgeError `KTB_SUBSCRIPTION` if the group belongs to a subscription of another name; `KTB_KAFKA` or
   * `KTB_TEMPORAL` if one of them refuses us or shows a certificate that isn't to be trusted
   */
  async start(): Promise<void> {
    const { signal } = this.#stop;
    await this.#observation.listen();
    for (const warning of overlappingRoutes(this.#config.routes)) this.#logger.warn(warning);
    const { brokers } = this.#config.kafka;
    await this.#source.open(signal, (why) => this.#phase.waits('Kafka', brokers.join(','), why));
    if (!this.#rename) await checkSubscription(this.#config, this.#source, this.#phase, signal);
    await awaitTemporal(this.#config, this.#temporal, this.#phase, this.#logger, signal);
    if (signal.aborted) return;
    this.#pressure.start();
    await this.#source.start(this.#intake, signal);
    if (signal.aborted) return;
    signal.addEventListener(
      'abort',
      collectDeadBuffers(() => this.#intake.buffered.bytes),
      { once: true },
    );
    this.#loops.push(
      this.#committer.run(signal),
      this.#backlog.run(signal),
      this.#logWatch.run(signal),
      this.#observation.run(this.#source, this.#temporal, signal),
    );
    if (this.#capacity) this.#loops.push(this.#capacity.run());
    if (this.#deadLetters) this.#loops.push(this.#deadLetters.run(signal));
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
    const admission = this.#admission.state();
    return {
      name: this.#config.name,
      phase: this.#phase.now,
      reason: this.#phase.reason,
      outcomes: { ...this.#outcomes },
      partitions: this.#intake.partitions,
      holds: this.#holds.all,
      buffered: this.#intake.buffered,
      inFlight: admission.inFlight,
      backlog: this.#backlog.backlog,
      gates: admission.holds,
      pressure: this.#pressure.state(),
      ...(this.#capacity?.state() ?? NO_LOOP),
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
    return {
      phase: this.#phase.now,
      phaseSince: this.#phase.since,
      reason: this.#phase.reason,
      partitions: this.#intake.partitions,
      holds: this.#holds.all,
      buffered: this.#intake.buffered,
      admission: this.#admission.state(),
      backlog: this.#backlog.backlog,
      circuit: this.#circuit?.state ?? 'closed',
      capacity: this.#capacity?.state(),
      lastFetchAt: this.#source.lastFetchAt,
    };
  }

  async #close(): Promise<void> {
    const { drainTimeoutMs } = this.#config;
    const deadline = Date.now() + drainTimeoutMs;
    const left = () => Math.max(0, deadline - Date.now());
    this.#phase.ends('draining');
    this.#logger.info({ drainTimeoutMs }, 'draining: nothing more is taken');
    // What runs may use most of the time; a last commit and leaving the group need some of it.
    await within(this.#intake.drain(left() * 0.5), left() * 0.7, () => undefined);
    const slotsBack = this.#capacity?.close(Math.min(SLOTS_BACK_MS, left() * 0.1));
    this.#stop.abort();
    this.#pressure.close();
    await within(this.#committer.flush(), left() * 0.6, () => undefined);
    await Promise.all([this.#source.stop(left()), slotsBack]);
    await within(
      Promise.allSettled([
        ...this.#loops,
        this.#temporal.close(),
        this.#capacityPort?.close(),
        this.#deadLetters?.close(left() * 0.5),
      ]).then(() => undefined),
      left(),
      () => undefined,
    );
    this.#phase.ends('stopped');
    await this.#observation.close(left());
    this.#logger.info({ outcomes: this.#outcomes }, 'stopped');
  }

  #delivery(temporal: TemporalPort, holds: RouteHolds, backlog: BacklogGate): Delivery {
    const { circuit: circuitOptions, requests } = this.#config;
    const circuit = (this.#circuit = new TemporalCircuit(circuitOptions));
    this.#observation.circuit(circuit);
    // While the bridge runs a refusal is waited out like an outage, behind the circuit.
    const refusals = new RefusalReporter(temporalService(this.#config.temporal), (why) =>
      this.#phase.refused(why),
    );
    circuit.onChange((open) => {
      if (open) {
        this.#admission.hold('circuit');
      } else {
        this.#admission.lift('circuit');
      }
    });
    const inner = new WorkflowDelivery({
      port: temporal,
      ...(requests === undefined ? {} : { budget: new CallBudget(requests) }),
      calls: new PersistentCalls({
        circuit,
        judge: new FaultJudge(),
        // A call that is always made: capabilities are answered from memory, also while Temporal is away.
        probe: () => temporal.backlog(ownTaskQueue(this.#config.temporal.taskQueue)),
        onFault: (fault, attempt) => {
          this.#logger.debug(
            { status: fault.status, kind: fault.kind, attempt, reason: fault.message },
            'a start failed',
          );
          void refusals.failed(fault);
        },
      }),
      holds,
      scope: scopeOf(this.#config),
      keptUntil: async (topic, timestampMs) => {
        const retentionMs = await this.#source.retentionMs(topic);
        return retentionMs === undefined ? undefined : new Date(timestampMs + retentionMs).toISOString();
      },
      onStuck: (fault) =>
        this.#logger.error(
          { status: fault.status, reason: fault.message },
          'a record can be neither started nor quarantined; it is tried again',
        ),
      onStarted: () => {
        refusals.passed();
        backlog.started();
      },
    });
    return new TargetDelivery({
      inner: this.#observation.delivery(inner),
      closeWatch: this.#observation.closes(new CloseWatch(temporal)),
      admission: this.#rated,
    });
  }
}

/** A Temporal that is no server has no capacity workflow either. */
function capacityPort(config: ResolvedConfig, ports: BridgeOptions['ports'] = {}): CapacityPort | undefined {
  if (ports.capacity !== undefined) return ports.capacity;
  if (config.capacity.limit === 'off' || ports.temporal !== undefined) return undefined;
  return new SdkCapacityPort(config.temporal);
}

/** Where Temporal is no server its dead letters stand nowhere. */
function deadLetterPorts(
  config: ResolvedConfig,
  ports: BridgeOptions['ports'] = {},
  logger: Logger,
): DeadLetterPorts | undefined {
  if (!publishesDeadLetters(config)) return undefined;
  if (ports.deadLetters !== undefined || ports.temporal !== undefined) return ports.deadLetters;
  const { kafka, producer, logLevel } = config;
  return {
    operator: new SdkOperatorPort(config.temporal),
    cursor: new SdkCursorPort(config),
    lookup: new KafkaLookup(config, logger),
    // A send ends in the log or not at all: a spill file is its owner's, and what can't be sent is looked for again.
    producer: new Producer(
      {
        kafka,
        producer: {
          ...producer,
          deadLetterSuffix: false,
          spill: undefined,
          buffer: DEFAULTS.producer.buffer,
        },
        logLevel,
      },
      {},
      { logger },
    ),
  };
}

function kafkaSource(config: ResolvedConfig, logger: Logger): KafkaSource {
  return new KafkaSource({
    mark: {
      name: config.name,
      idPrefix: config.idPrefix,
      namespace: config.temporal.namespace,
      fingerprint: fingerprintOf(config),
    },
    kafka: config.kafka,
    topics: topicsOf(config.routes),
    maxBatchBytes: config.buffer.bytes,
    logger,
  });
}
