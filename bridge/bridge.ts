/**
 * The bridge, and the way of one record through it:
 *
 *   intake/kafka-source       fetches it, as a copy, read_committed
 *   intake/intake             takes it if the budget allows, notes its offset, else it is fetched again
 *   intake/partition-lane     keeps the order of its partition, and waits where its route is held
 *   intake/record-mapper      decodes it, finds its route and its idempotency key, or says why not
 *   admission/admission       gives it a permit, when there is room
 *   delivery/workflow-delivery  starts its workflow, or its quarantine, or learns that somebody has
 *   intake/offset-tracker     notes what became of it
 *   intake/committer          commits what lies below everything that is not done
 *
 * Only this file, worker.ts and own-worker.ts construct clients; everything else takes ports.
 */
import { QueueAdmission } from './admission/admission.js';
import { BacklogGate } from './admission/backlog-gate.js';
import { RouteHolds, type Hold } from './admission/route-holds.js';
import type { ResolvedConfig } from './config/resolved.js';
import { fingerprintOf } from './config/fingerprint.js';
import { overlappingRoutes } from './config/resolve.js';
import { taskQueuesOf } from './config/task-queues.js';
import { awayReason, refusalOf } from './connections/refusal.js';
import { RefusalReporter } from './connections/refusal-reporter.js';
import { kafkaService, temporalService } from './connections/service.js';
import { TemporalCircuit } from './delivery/circuit.js';
import { FaultJudge } from './delivery/fault-judge.js';
import { OUTCOMES, type Outcome } from './delivery/outcomes.js';
import { PersistentCalls } from './delivery/persistent-calls.js';
import { scopeOf } from './delivery/record-start.js';
import { WorkflowDelivery } from './delivery/workflow-delivery.js';
import { BridgeError, messageOf } from './errors.js';
import { Committer } from './intake/committer.js';
import { Intake, lostMessage, type PartitionState } from './intake/intake.js';
import { kafkaState } from './intake/kafka-answers.js';
import { KafkaSource } from './intake/kafka-source.js';
import { LogWatch } from './intake/log-watch.js';
import { createRecordMapper, topicsOf } from './intake/record-mapper.js';
import type { RecordSource } from './intake/record-source.js';
import { subscriptionIn } from './intake/subscription.js';
import { collectDeadBuffers } from './observe/garbage.js';
import { createLogger, type Logger } from './observe/logger.js';
import { uiLink } from './observe/ui-link.js';
import { SdkTemporalPort } from './temporal/sdk-temporal-port.js';
import type { TemporalPort } from './temporal/temporal-port.js';
import { delay, within } from './timing.js';
import { ownTaskQueue } from '../workflows/contract.js';

export interface BridgeOptions {
  readonly logger?: Logger;
  /** Takes over a group that another subscription has committed in. @default false */
  readonly rename?: boolean;
  /** Ports to use instead of the real ones. */
  readonly ports?: { readonly source?: RecordSource; readonly temporal?: TemporalPort };
}

/** `waiting`: Kafka or Temporal is away. `stopped` is the end. */
export type BridgePhase = 'starting' | 'waiting' | 'running' | 'draining' | 'stopped';

export interface BridgeStatus {
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
  /** What keeps records from being started: `backlog`, `circuit`. */
  readonly gates: readonly string[];
}

/** A running bridge. */
export class Bridge {
  readonly #config: ResolvedConfig;
  readonly #logger: Logger;
  readonly #rename: boolean;
  readonly #source: RecordSource;
  readonly #temporal: TemporalPort;
  readonly #holds: RouteHolds;
  readonly #admission: QueueAdmission;
  readonly #backlog: BacklogGate;
  readonly #intake: Intake;
  readonly #committer: Committer;
  readonly #logWatch: LogWatch;
  readonly #outcomes = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Record<Outcome, number>;
  readonly #stop = new AbortController();
  readonly #loops: Promise<void>[] = [];
  #phase: BridgePhase = 'starting';
  #reason: string | undefined;
  #closing: Promise<void> | undefined;

  constructor(config: ResolvedConfig, options: BridgeOptions = {}) {
    this.#config = config;
    this.#rename = options.rename ?? false;
    const logger = (this.#logger =
      options.logger ?? createLogger({ name: 'bridge', level: config.logLevel }));
    const source = (this.#source = options.ports?.source ?? kafkaSource(config, logger));
    const temporal = (this.#temporal = options.ports?.temporal ?? new SdkTemporalPort(config.temporal));
    const admission = (this.#admission = new QueueAdmission(config.maxConcurrentStarts));
    const holds = (this.#holds = new RouteHolds({
      quarantineLimit: config.quarantineLimit,
      foreignLimit: config.foreignLimit,
      idPrefix: config.idPrefix,
      onHold: (hold) => logger.error({ alert: hold.reason, ...hold.scope }, hold.message),
    }));
    const backlog = (this.#backlog = new BacklogGate({
      port: temporal,
      admission,
      taskQueues: taskQueuesOf(config),
      maxBacklog: config.maxBacklog,
      onChange: (held, tasks) =>
        logger.info(
          { held, tasks },
          held ? 'intake pauses: too many tasks wait for a worker' : 'intake resumes',
        ),
    }));
    const mapper = createRecordMapper(config);
    const intake = (this.#intake = new Intake(source, {
      buffer: { ...config.buffer, minimumShare: config.maxPollRecords },
      maxPollRecords: config.maxPollRecords,
      startFrom: config.kafka.startFrom,
      onLostRange: config.kafka.onLostRange,
      stages: {
        map: (record) => mapper.map(record),
        mapJudge: new FaultJudge(),
        holds,
        admission,
        delivery: this.#delivery(temporal, holds, backlog),
        onTrouble: ({ topic, partition, offset }, message, error) =>
          logger.warn(
            { topic, partition, offset: offset.toString(), reason: messageOf(error) },
            `the record ${message}`,
          ),
      },
      events: this.#events(),
    }));
    this.#committer = new Committer({
      source,
      intake,
      intervalMs: config.kafka.commitIntervalMs,
      onCommit: (result, _seconds, why) => {
        if (result === 'failure')
          logger.debug({ reason: why }, 'a commit was refused; the next one brings it along');
      },
    });
    this.#logWatch = new LogWatch({
      source,
      intake,
      watchdogMs: config.watchdogMs,
      onStuck: (partitions, message) => logger.error({ alert: 'watchdog', partitions }, message),
      onRefused: (why) => this.#waits('Kafka', config.kafka.brokers.join(','), why, true),
      onAnswer: () => {
        if (this.#phase !== 'waiting') return;
        this.#phase = 'running';
        this.#reason = undefined;
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
    for (const warning of overlappingRoutes(this.#config.routes)) this.#logger.warn(warning);
    await this.#source.open(signal, (why) => this.#waits('Kafka', this.#config.kafka.brokers.join(','), why));
    await this.#checkSubscription(signal);
    await this.#awaitTemporal(signal);
    if (signal.aborted) return;
    await this.#source.start(this.#intake, signal);
    if (signal.aborted) return;
    signal.addEventListener(
      'abort',
      collectDeadBuffers(() => this.#intake.buffered.bytes),
      { once: true },
    );
    this.#loops.push(this.#committer.run(signal), this.#backlog.run(signal), this.#logWatch.run(signal));
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
      phase: this.#phase,
      reason: this.#reason,
      outcomes: { ...this.#outcomes },
      partitions: this.#intake.partitions,
      holds: this.#holds.all,
      buffered: this.#intake.buffered,
      inFlight: admission.inFlight,
      backlog: this.#backlog.backlog,
      gates: admission.holds,
    };
  }

  async #close(): Promise<void> {
    const { drainTimeoutMs } = this.#config;
    const deadline = Date.now() + drainTimeoutMs;
    const left = () => Math.max(0, deadline - Date.now());
    this.#phase = 'draining';
    this.#logger.info({ drainTimeoutMs }, 'draining: nothing more is taken');
    // What runs may use most of the time; a last commit and leaving the group need some of it.
    await within(this.#intake.drain(), left() * 0.7, () => undefined);
    this.#stop.abort();
    await within(this.#committer.flush(), left() * 0.6, () => undefined);
    await this.#source.stop(left());
    await within(
      Promise.allSettled([...this.#loops, this.#temporal.close()]).then(() => undefined),
      left(),
      () => undefined,
    );
    this.#phase = 'stopped';
    this.#logger.info({ outcomes: this.#outcomes }, 'stopped');
  }

  #delivery(temporal: TemporalPort, holds: RouteHolds, backlog: BacklogGate): WorkflowDelivery {
    const { circuit: circuitOptions } = this.#config;
    const circuit = new TemporalCircuit(circuitOptions);
    // While the bridge runs a refusal is waited out like an outage, behind the circuit.
    const refusals = new RefusalReporter(temporalService(this.#config.temporal), (why) =>
      this.#sayRefused(why),
    );
    circuit.onChange((open) => {
      if (open) {
        this.#admission.hold('circuit');
        this.#logger.error(
          { alert: 'circuit' },
          'Temporal does not take starts: the circuit is open, intake waits',
        );
      } else {
        this.#admission.lift('circuit');
      }
    });
    return new WorkflowDelivery({
      port: temporal,
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
  }

  #events(): ConstructorParameters<typeof Intake>[1]['events'] {
    const logger = this.#logger;
    const {
      uiUrl,
      temporal: { namespace },
    } = this.#config;
    return {
      assigned: (gained, lost) => {
        if (gained.length + lost.length > 0)
          logger.info({ gained: gained.map(text), lost: lost.map(text) }, 'partitions were assigned');
      },
      newGroup: (at, position) =>
        logger.info(
          { partition: text(at), offset: position.toString() },
          `the group had no position: it begins at the ${this.#config.kafka.startFrom} (\`startFrom\`)`,
        ),
      lostRange: (range) => logger.error({ alert: 'lostRange', partition: text(range) }, lostMessage(range)),
      stopped: (at, message) => logger.error({ alert: 'partitionStopped', partition: text(at) }, message),
      connected: () => {
        this.#phase = this.#phase === 'draining' ? 'draining' : 'running';
        this.#reason = undefined;
        logger.info({ group: this.#config.kafka.groupId }, 'joined the group');
      },
      disconnected: (why, refused) => {
        this.#waits('Kafka', this.#config.kafka.brokers.join(','), why, refused);
      },
      settled: ({ source, route }, { outcome, workflowId, runId, message }) => {
        this.#outcomes[outcome]++;
        const bad = outcome === 'quarantined' || outcome === 'conflict' || outcome === 'foreign';
        logger[bad ? 'warn' : 'debug'](
          {
            topic: source.topic,
            partition: source.partition,
            offset: source.offset.toString(),
            group: this.#config.kafka.groupId,
            route: route?.id,
            outcome,
            workflowId,
            runId,
            ...(message ? { reason: message } : {}),
            ...(bad && uiUrl !== undefined ? { link: uiLink(uiUrl, namespace, workflowId, runId) } : {}),
          },
          bad ? 'a record went into quarantine' : 'a record was settled',
        );
      },
    };
  }

  async #checkSubscription(signal: AbortSignal): Promise<void> {
    const { name, kafka } = this.#config;
    const service = kafkaService(kafka);
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        const committed = await this.#source.committed(await this.#source.existingTopics());
        const other = committed
          .map(({ metadata }) => subscriptionIn(metadata))
          .find((found) => found !== undefined && found !== name);
        if (other === undefined || this.#rename) return;
        throw new BridgeError(
          'KTB_SUBSCRIPTION',
          `Expected group \`${kafka.groupId}\` to belong to subscription \`${name}\`, got \`${other}\`: the name is part of ` +
            'every workflow ID, and another one forgets what was handled. Take the old name, another group, or start once with --rename',
        );
      } catch (error) {
        if (error instanceof BridgeError) throw error;
        const refusal = await refusalOf(error, service);
        if (refusal && !signal.aborted) throw refusal;
        this.#waits('Kafka', kafka.brokers.join(','), awayReason(error, service));
        await delay(Math.min(5_000, 250 * 2 ** attempt), signal);
      }
    }
  }

  async #awaitTemporal(signal: AbortSignal): Promise<void> {
    const { address, namespace } = this.#config.temporal;
    const service = temporalService(this.#config.temporal);
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        const { serverVersion, searchAttributes } = await this.#temporal.capabilities();
        this.#logger.info({ address, namespace, serverVersion }, 'Temporal answers');
        if (!searchAttributes.has('KtbRecord')) {
          this.#logger.warn(
            'the search attributes KtbRecord, KtbKey, KtbRoute and KtbOffset are not registered: queries by them will find nothing',
          );
        }
        return;
      } catch (error) {
        const refusal = await refusalOf(error, service);
        if (refusal && !signal.aborted) throw refusal;
        this.#waits('Temporal', `${address}, namespace ${namespace}`, awayReason(error, service));
        await delay(Math.min(5_000, 250 * 2 ** attempt), signal);
      }
    }
  }

  /** Said once for each new reason, not at each attempt. `refused` needs somebody; to be away may pass. */
  #waits(whom: string, where: string, why: string, refused = false): void {
    if (this.#phase === 'draining' || this.#phase === 'stopped') return;
    const state = kafkaState(why);
    const reason = refused ? why : `${whom} at ${where} ${state}: ${why}`;
    this.#phase = 'waiting';
    if (this.#reason === reason) return;
    this.#reason = reason;
    if (refused) this.#sayRefused(why);
    else this.#logger.warn({ reason: why }, `${whom} at ${where} ${state}; waiting for it`);
  }

  #sayRefused(why: string): void {
    this.#logger.error({ alert: 'connection' }, `${why}. Waiting until that is mended`);
  }
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

function text({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}/${partition}`;
}
