/**
 * The stages of a record's way, made of a configuration and connected: see bridge.ts for their order. Nothing runs yet.
 */
import { BacklogGate } from './admission/backlog-gate.js';
import { CallBudget } from './admission/call-budget.js';
import { recordsOnly, type CapacityLoop } from './admission/capacity-loop.js';
import { createCapacityLoop } from './admission/create-capacity-loop.js';
import { QueueAdmission } from './admission/admission.js';
import { RatedAdmission } from './admission/rated-admission.js';
import { RouteHolds } from './admission/route-holds.js';
import type { BridgeClients } from './clients.js';
import type { ResolvedConfig } from './config/resolved.js';
import { taskQueuesOf } from './config/task-queues.js';
import { DeadLetterPublisher } from './dead-letters/dead-letter-publisher.js';
import { RefusalReporter } from './connections/refusal-reporter.js';
import { temporalService } from './connections/service.js';
import { TemporalCircuit } from './delivery/circuit.js';
import { CloseWatch } from './delivery/close-watch.js';
import type { Delivery } from './delivery/delivery.js';
import { FaultJudge } from './delivery/fault-judge.js';
import type { Outcome } from './delivery/outcomes.js';
import { PersistentCalls } from './delivery/persistent-calls.js';
import { scopeOf } from './delivery/record-start.js';
import { TargetDelivery } from './delivery/target-delivery.js';
import { WorkflowDelivery } from './delivery/workflow-delivery.js';
import { messageOf } from './errors.js';
import { Committer } from './intake/committer.js';
import { Intake } from './intake/intake.js';
import { LogWatch } from './intake/log-watch.js';
import { createRecordMapper } from './intake/record-mapper.js';
import type { RecordSource } from './intake/record-source.js';
import { intakeLog } from './observe/intake-log.js';
import type { Logger } from './observe/logger.js';
import type { Observation } from './observe/observation.js';
import type { Phase } from './observe/phase.js';
import { BridgePressure } from './pressure/bridge-pressure.js';
import { Shaping } from './shaping/shaping.js';
import type { CapacityPort } from './temporal/capacity-port.js';
import type { TemporalPort } from './temporal/temporal-port.js';
import { ownTaskQueue } from '../workflows/contract.js';

/** What the stages tell to. */
export interface Watchers {
  readonly observation: Observation;
  readonly phase: Phase;
  readonly logger: Logger;
  /** Counted up when a record's outcome is known. */
  readonly outcomes: Record<Outcome, number>;
}

export interface Stages {
  readonly source: RecordSource;
  readonly temporal: TemporalPort;
  readonly holds: RouteHolds;
  readonly admission: QueueAdmission;
  /** Undefined where no worker is asked. */
  readonly capacity: CapacityLoop | undefined;
  readonly capacityPort: CapacityPort | undefined;
  readonly backlog: BacklogGate;
  readonly pressure: BridgePressure;
  readonly circuit: TemporalCircuit;
  readonly intake: Intake;
  readonly committer: Committer;
  readonly logWatch: LogWatch;
  /** Undefined where no route publishes its dead letters. */
  readonly deadLetters: DeadLetterPublisher | undefined;
}

export function createStages(config: ResolvedConfig, clients: BridgeClients, watchers: Watchers): Stages {
  const { observation, phase, logger, outcomes } = watchers;
  const { alerts, metrics } = observation;
  const { source } = clients;
  const temporal = observation.temporal(clients.temporal);
  const holds = new RouteHolds({
    quarantineLimit: config.quarantineLimit,
    foreignLimit: config.foreignLimit,
    idPrefix: config.idPrefix,
    onHold: (hold) => observation.held(hold),
  });
  const capacityPort = observation.capacity(clients.capacity);
  // Each asks the next one, and only once all are there.
  const capacity = createCapacityLoop(config, capacityPort, logger, {
    holds,
    backlog: () => backlog,
    alerts,
  });
  const admission = new QueueAdmission(config.maxConcurrentStarts, capacity, (reason) =>
    pressure.deferred(reason),
  );
  capacity?.serve(admission);
  const pressure: BridgePressure = new BridgePressure({
    pressure: config.pressure,
    maxPollRecords: config.maxPollRecords,
    admission,
    workers: () => capacity?.workersPressure ?? [],
    onDeferred: () => metrics.deferred('pressure'),
    logger,
  });
  const backlog: BacklogGate = new BacklogGate({
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
  });
  const circuit = temporalCircuit(config, admission, observation);
  const rated = new RatedAdmission(admission, config.routes);
  const starts = workflowDelivery(config, { source, temporal, holds, backlog, circuit }, watchers);
  const delivery = new TargetDelivery({
    inner: observation.delivery(starts),
    closeWatch: observation.closes(new CloseWatch(temporal)),
    admission: rated,
  });
  const mapper = createRecordMapper(config, Date.now, (message) => logger.warn(message));
  const intake = new Intake(source, {
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
      delivery,
      onTrouble: ({ topic, partition, offset }, message, error) =>
        logger.warn(
          { topic, partition, offset: offset.toString(), reason: messageOf(error) },
          `the record ${message}`,
        ),
      onDeferred: (why) => metrics.deferred(why),
    },
    events: observation.events(intakeLog(config, logger, phase, outcomes)),
  });
  const committer = new Committer({
    source,
    intake,
    intervalMs: config.kafka.commitIntervalMs,
    onCommit: (result, seconds, why) => {
      metrics.committed(result, seconds);
      if (result === 'failure')
        logger.debug({ reason: why }, 'a commit was refused; the next one brings it along');
    },
  });
  const logWatch = new LogWatch({
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
  const deadLetters =
    clients.deadLetters &&
    new DeadLetterPublisher({
      config,
      ports: clients.deadLetters,
      topics: () => source.existingTopics(),
      owned: () => intake.partitions,
      logger,
      onPublished: (route, count) => metrics.deadLettersPublished(route, count),
      onFailed: (route) => metrics.deadLetterFailed(route),
      raise: (alert) => alerts.raise(alert),
    });
  return {
    source,
    temporal,
    holds,
    admission,
    capacity,
    capacityPort,
    backlog,
    pressure,
    circuit,
    intake,
    committer,
    logWatch,
    deadLetters,
  };
}

/** While it is open nothing is admitted. */
function temporalCircuit(
  config: ResolvedConfig,
  admission: QueueAdmission,
  observation: Observation,
): TemporalCircuit {
  const circuit = new TemporalCircuit(config.circuit);
  observation.circuit(circuit);
  circuit.onChange((open) => {
    if (open) {
      admission.hold('circuit');
    } else {
      admission.lift('circuit');
    }
  });
  return circuit;
}

function workflowDelivery(
  config: ResolvedConfig,
  {
    source,
    temporal,
    holds,
    backlog,
    circuit,
  }: Pick<Stages, 'source' | 'temporal' | 'holds' | 'backlog' | 'circuit'>,
  { phase, logger }: Watchers,
): Delivery {
  // While the bridge runs a refusal is waited out like an outage, behind the circuit.
  const refusals = new RefusalReporter(temporalService(config.temporal), (why) => phase.refused(why));
  return new WorkflowDelivery({
    port: temporal,
    ...(config.requests === undefined ? {} : { budget: new CallBudget(config.requests) }),
    calls: new PersistentCalls({
      circuit,
      judge: new FaultJudge(),
      // A call that is always made: capabilities are answered from memory, also while Temporal is away.
      probe: () => temporal.backlog(ownTaskQueue(config.temporal.taskQueue)),
      onFault: (fault, attempt) => {
        logger.debug(
          { status: fault.status, kind: fault.kind, attempt, reason: fault.message },
          'a start failed',
        );
        void refusals.failed(fault);
      },
    }),
    holds,
    scope: scopeOf(config),
    keptUntil: async (topic, timestampMs) => {
      const retentionMs = await source.retentionMs(topic);
      return retentionMs === undefined ? undefined : new Date(timestampMs + retentionMs).toISOString();
    },
    onStuck: (fault) =>
      logger.error(
        { status: fault.status, reason: fault.message },
        'a record can be neither started nor quarantined; it is tried again',
      ),
    onStarted: () => {
      refusals.passed();
      backlog.started();
    },
  });
}
