import type { Hold } from '../admission/route-holds.js';
import { DEFAULTS } from '../config/defaults.js';
import type { ResolvedConfig } from '../config/resolved.js';
import { taskQueuesOf } from '../config/task-queues.js';
import type { TemporalCircuit } from '../delivery/circuit.js';
import type { CloseWatch } from '../delivery/close-watch.js';
import type { Delivery } from '../delivery/delivery.js';
import { lostMessage, type IntakeEvents } from '../intake/intake.js';
import type { MappedRecord } from '../intake/mapped-record.js';
import type { RecordSource } from '../intake/record-source.js';
import type { CapacityPort } from '../temporal/capacity-port.js';
import type { TemporalPort } from '../temporal/temporal-port.js';
import { Alerts, type AlertRaise } from './alerts.js';
import { DeadLetterWatch } from './dead-letter-watch.js';
import { Answers, liveness, readiness, type HealthReport } from './health.js';
import { ObservationServer } from './http-server.js';
import type { Logger } from './logger.js';
import { BridgeMetrics } from './metrics.js';
import type { Observed } from './observed.js';
import { StallWatch } from './stall-watch.js';
import { timedCapacityPort, timedPort } from './timed-port.js';
import { Webhook } from './webhook.js';

const PULSE_MS = 1_000;
/** A receiver that is away must not keep a bridge that ends. */
const LAST_POSTS_MS = 5_000;

/** Everything that is seen of a bridge from outside: metrics, probes, alerts. It watches, and changes nothing. */
export class Observation {
  readonly metrics: BridgeMetrics;
  readonly alerts: Alerts;
  readonly #config: ResolvedConfig;
  readonly #logger: Logger;
  readonly #observe: () => Observed;
  readonly #webhook: Webhook | undefined;
  readonly #server: ObservationServer | undefined;
  readonly #temporal = new Answers();
  readonly #kafka = new Answers();
  #joinedAt: number | undefined;
  #turnedAt = Date.now();
  #pulse: NodeJS.Timeout | undefined;
  #url: string | undefined;

  constructor(config: ResolvedConfig, logger: Logger, observe: () => Observed) {
    this.#config = config;
    this.#logger = logger;
    this.#observe = observe;
    const metrics = (this.metrics = new BridgeMetrics(config));
    const { webhook, ...alerts } = config.alerts;
    this.#webhook =
      webhook === undefined
        ? undefined
        : new Webhook({
            alerts: { ...alerts, webhook },
            logger,
            onPost: (result) => metrics.posted(result),
          });
    this.alerts = new Alerts({
      subscription: config.name,
      groupMs: alerts.groupMs,
      logger,
      onAlert: (alert) => {
        metrics.alerted(alert.kind);
        this.#webhook?.post(alert);
      },
    });
    if (config.http !== undefined) {
      metrics.withProcessMetrics();
      this.#server = new ObservationServer(config.http, {
        healthz: () => liveness(Date.now(), this.#turnedAt),
        readyz: () => this.ready(),
        metrics: async () => ({ text: await this.text(), contentType: metrics.contentType }),
      });
    }
  }

  /** Where probes and metrics are served, if they are. */
  get url(): string | undefined {
    return this.#url;
  }

  /** Every metric, in Prometheus' text format. */
  text(): Promise<string> {
    return this.metrics.text(this.#observe(), this.ready().status === 'ok');
  }

  ready(): HealthReport {
    const { phase, phaseSince, partitions, lastFetchAt } = this.#observe();
    this.#kafka.came(lastFetchAt);
    return readiness({
      now: Date.now(),
      graceMs: this.#config.http?.outageGraceMs ?? DEFAULTS.http.outageGraceMs,
      phase,
      phaseSince,
      temporalAt: this.#temporal.lastAt,
      kafkaAt: this.#kafka.lastAt,
      joinedAt: this.#joinedAt,
      asksKafka: partitions.length > 0 || phase === 'waiting',
    });
  }

  /** The same port, with its calls measured; its answers say that Temporal is there. */
  temporal(port: TemporalPort): TemporalPort {
    return timedPort(port, { ended: (...call) => this.#called(...call) });
  }

  /** The same. */
  capacity(port: CapacityPort | undefined): CapacityPort | undefined {
    return port && timedCapacityPort(port, { ended: (...call) => this.#called(...call) });
  }

  /** The same delivery; a start is measured when Temporal has taken it, whatever is waited for afterwards. */
  delivery(inner: Delivery): Delivery {
    return {
      commitOn: inner.commitOn,
      deliver: (records, permit, observer, signal) =>
        inner.deliver(
          records,
          permit,
          {
            accepted: (record) => observer.accepted(record),
            settled: (record, settlement) => {
              if (settlement.outcome === 'started') this.metrics.started(record);
              observer.settled(record, settlement);
            },
            returned: (record) => observer.returned(record),
          },
          signal,
        ),
    };
  }

  closes(inner: Pick<CloseWatch, 'closed'>): Pick<CloseWatch, 'closed'> {
    return {
      closed: async (workflowId, runId, signal) => {
        const begun = performance.now();
        const closed = await inner.closed(workflowId, runId, signal);
        if (closed) this.metrics.closed((performance.now() - begun) / 1000);
        return closed;
      },
    };
  }

  #called(operation: string, status: string, seconds: number): void {
    this.metrics.requested(operation, status, seconds);
    // Capabilities are answered from memory, also while Temporal is away.
    const asked = operation !== 'capabilities' || this.#temporal.lastAt === undefined;
    if (asked && !AWAY.has(status)) this.#temporal.came(Date.now());
  }

  /** What the intake tells, counted, before it is told on. */
  events(inner: IntakeEvents): IntakeEvents {
    const { alerts, metrics } = this;
    return {
      ...inner,
      assigned: (gained, lost) => {
        metrics.rebalanced();
        inner.assigned(gained, lost);
      },
      settled: (record, settlement) => {
        metrics.settled(record, settlement);
        const { outcome } = settlement;
        if (outcome === 'quarantined' || outcome === 'conflict' || outcome === 'foreign')
          alerts.raise(quarantineOf(record));
        inner.settled(record, settlement);
      },
      lostRange: (range) => {
        const { topic, partition } = range;
        alerts.raise({ kind: 'lostRange', scope: { topic, partition }, message: lostMessage(range) });
        inner.lostRange(range);
      },
      stopped: ({ topic, partition }, message) => {
        alerts.raise({ kind: 'partitionStopped', scope: { topic, partition }, message });
        inner.stopped({ topic, partition }, message);
      },
      connected: () => {
        this.#joinedAt ??= Date.now();
        this.#kafka.came(Date.now());
        inner.connected();
      },
    };
  }

  circuit(circuit: Pick<TemporalCircuit, 'onChange' | 'state'>): void {
    // It half-opens and opens again for as long as Temporal is away: that is one outage.
    let told = false;
    circuit.onChange((open) => {
      if (circuit.state === 'closed') told = false;
      if (!open || told) return;
      told = true;
      this.alerts.raise({
        kind: 'circuit',
        message: 'Temporal does not take starts: the circuit is open, intake waits',
      });
    });
  }

  held({ reason, scope, message }: Hold): void {
    const { topic, routeId } = scope;
    const where = routeId === undefined ? { topic } : { route: routeId };
    // An operator knows it already.
    if (reason === 'operator') this.#logger.info({ held: where }, message);
    else this.alerts.raise({ kind: reason, scope: where, message });
  }

  /** Kafka has answered, as the look at the logs tells. */
  kafkaAnswered(): void {
    this.#kafka.came(Date.now());
  }

  /** @throws BridgeError `KTB_HTTP` */
  async listen(): Promise<void> {
    if (!this.#server) return;
    this.#url = await this.#server.listen();
    this.#pulse = setInterval(() => (this.#turnedAt = Date.now()), PULSE_MS);
    this.#pulse.unref();
    this.#logger.info({ url: this.#url }, 'probes and metrics are served');
  }

  /** Looks until the signal fires. */
  async run(
    source: Pick<RecordSource, 'existingTopics'>,
    temporal: TemporalPort,
    signal: AbortSignal,
  ): Promise<void> {
    const deadLetters = new DeadLetterWatch({
      port: temporal,
      routes: this.#config.routes.map(({ id }) => id),
      taskQueues: taskQueuesOf(this.#config),
      topics: () => source.existingTopics(),
      owned: () => this.#observe().partitions,
      onDeadLetters: (route, count) => {
        this.metrics.deadLetters(route, count);
        this.alerts.raise({
          kind: 'deadLetter',
          scope: { route },
          message: (all) =>
            `${all === 1 ? 'A record' : `${all} records`} of route \`${route}\` ended badly: \`ktb failed --route ${route}\` shows why`,
          count,
        });
      },
    });
    const stalls = new StallWatch({
      observe: this.#observe,
      onStalled: (_partitions, message) => this.alerts.raise({ kind: 'partitionStalled', message }),
    });
    await Promise.all([deadLetters.run(signal), stalls.run(signal)]);
  }

  /** Sends what is left to send, and serves nothing more. */
  async close(deadlineMs: number): Promise<void> {
    this.alerts.flush();
    await this.#webhook?.close(Math.min(deadlineMs, LAST_POSTS_MS));
    await this.#server?.close();
    clearInterval(this.#pulse);
  }
}

/** How a call ends that nobody has answered, or that we may not make. */
const AWAY: ReadonlySet<string> = new Set([
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'CANCELLED',
  'UNKNOWN',
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
]);

/** A record that could not be routed counts against its topic, as in `quarantineLimit`. */
function quarantineOf({ route, source: { topic, partition, offset } }: MappedRecord): AlertRaise {
  const of = route === undefined ? `topic \`${topic}\`` : `route \`${route.id}\``;
  return {
    kind: 'quarantine',
    scope: route === undefined ? { topic } : { route: route.id },
    message: (count) =>
      count === 1
        ? `A record of ${of} went into quarantine`
        : `${count} records of ${of} went into quarantine`,
    example: `${topic}/${partition}/${offset}`,
  };
}
