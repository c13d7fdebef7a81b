import { randomInt } from 'node:crypto';
import type { CircuitName, Lease, LimitOptions } from '../../workflows/capacity/contract.js';
import { ownTaskQueue } from '../../workflows/contract.js';
import type { ResolvedConfig } from '../config/resolved.js';
import type { CapacityPort } from '../temporal/capacity-port.js';
import type { TemporalFault, TemporalPort } from '../temporal/temporal-port.js';
import type { AcquireOptions, Admission, SlotLending } from './admission.js';
import type { BacklogGate } from './backlog-gate.js';
import { LeaseKeeper } from './lease-keeper.js';
import { MinimumShare } from './minimum-share.js';
import { Pauses } from './pauses.js';
import type { RouteHolds } from './route-holds.js';
import { SlotGate, type SlotNeed, type SlotSource } from './slot-gate.js';
import { SlotPool } from './slot-pool.js';
import { steadyClock } from './steady-clock.js';
import { clientIdentity } from '../temporal/worker-identity.js';

export interface CapacityLoopOptions {
  readonly config: ResolvedConfig;
  readonly port: Pick<CapacityPort, 'lease'>;
  readonly holds: Pick<RouteHolds, 'hold' | 'lift' | 'holdOf'>;
  readonly backlog: Pick<BacklogGate, 'backlog' | 'lastLook'>;
  readonly onCircuit?: (circuit: CircuitName, lease: Lease) => void;
  /** Nobody lends: it goes on with its part of the minimum. */
  readonly onLost?: (fault: TemporalFault) => void;
  /** Monotonic ms. @default the process's clock */
  readonly now?: () => number;
}

/** What is known of the loop, for status and metrics. */
export interface CapacityLoopState {
  /** Of all bridges together; undefined until somebody has told it. */
  readonly limit: number | undefined;
  readonly circuit: CircuitName | undefined;
  /** The last lease that came, and whether it holds. */
  readonly lease: (Lease & { readonly holds: boolean }) | undefined;
  /** What operators have paused: the subscription, or `<subscription>/<route id>`. */
  readonly paused: readonly string[];
}

/** A look of the server's that is older tells nothing any more. */
const LOOK_GOOD_MS = 2_000;

const CODE = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** This bridge's side of the capacity loop: the slots that it is lent, who waits for them, and what it does without. */
export class CapacityLoop implements SlotLending, SlotSource {
  readonly gate = new SlotGate(this);
  readonly #options: CapacityLoopOptions;
  readonly #caps: ReadonlyMap<string, number>;
  /** Routes whose workflows run on other task queues. */
  readonly #elsewhere: ReadonlySet<string>;
  readonly #pool: SlotPool;
  readonly #keeper: LeaseKeeper;
  readonly #minimum: MinimumShare;
  readonly #stop = new AbortController();
  #pauses: Pauses | undefined;
  #admission: Pick<Admission, 'state'> | undefined;
  #circuit: CircuitName | undefined;

  constructor(options: CapacityLoopOptions) {
    this.#options = options;
    const { config, port, backlog } = options;
    const now = options.now ?? steadyClock();
    const bridge = Array.from({ length: 8 }, () => CODE[randomInt(CODE.length)]).join('');
    this.#caps = capsOf(config);
    this.#elsewhere = routesElsewhere(config);
    this.#minimum = new MinimumShare({ minimum: config.capacity.minimum, backlog: () => backlog.backlog });
    this.#pool = new SlotPool({ bridge, caps: this.#caps, now });
    this.#keeper = new LeaseKeeper({
      port,
      pool: this.#pool,
      gate: this.gate,
      bridge,
      identity: clientIdentity(),
      name: config.name,
      caps: Object.fromEntries(this.#caps),
      limit: config.capacity as LimitOptions,
      backlog: () => this.#lastLook(),
      busy: () => (this.#admission?.state().inFlight ?? 0) > 0 || (this.#pauses?.paused.length ?? 0) > 0,
      now,
      onLease: (lease) => this.#leased(lease),
      onSettings: (settings) => this.#pauses?.apply(settings),
      ...(options.onLost === undefined ? {} : { onLost: options.onLost }),
    });
  }

  /** What it was made for: the two know each other. */
  serve(admission: Pick<Admission, 'state' | 'hold' | 'lift'>): void {
    const { config, holds } = this.#options;
    this.#admission = admission;
    this.#pauses = new Pauses({ name: config.name, routes: config.routes, admission, holds });
  }

  /** Asks for slots until it is closed. */
  async run(): Promise<void> {
    await this.#keeper.run(this.#stop.signal);
  }

  /** Gives everything back. */
  async close(timeoutMs: number): Promise<void> {
    this.#stop.abort();
    await this.#keeper.close(timeoutMs);
  }

  state(): CapacityLoopState {
    const { lease } = this.#keeper;
    return {
      limit: lease?.limit,
      circuit: lease?.circuit,
      lease: lease && { ...lease, holds: this.#pool.leased },
      paused: this.#pauses?.paused ?? [],
    };
  }

  /** Why the workers' machines are under pressure, as long as a lease holds: what they told before may be over. */
  get workersPressure(): readonly string[] {
    return this.#pool.leased ? (this.#keeper.lease?.pressure ?? []) : [];
  }

  classesOf({ route, workflowType, slotless }: AcquireOptions): readonly string[] | undefined {
    // Workers of another queue report to that one's capacity workflow.
    if (slotless === true || this.#elsewhere.has(route)) return undefined;
    const all = [
      routeClass(this.#options.config.name, route),
      ...(workflowType === undefined ? [] : [typeClass(workflowType)]),
    ];
    return all.filter((one) => this.#caps.has(one));
  }

  take({ classes, weight, priority }: SlotNeed): readonly string[] | undefined {
    const slots = this.#pool.take(classes, weight, priority === 'high');
    if (slots !== undefined || this.#pool.leased || !this.#keeper.failing) return slots;
    // What has a cap waits: without the workers' reports nobody can count what is in work of it.
    return classes.length === 0 && this.#minimum.take(weight) ? [] : undefined;
  }

  giveBack(slots: readonly string[]): void {
    this.#pool.giveBack(slots);
    this.#keeper.wake();
  }

  wanting(): void {
    this.#keeper.wake();
  }

  settled(weight: number): void {
    this.#minimum.settled(weight);
  }

  #leased(lease: Lease): void {
    this.#minimum.bridges = lease.bridges;
    if (lease.circuit !== (this.#circuit ?? 'closed')) this.#options.onCircuit?.(lease.circuit, lease);
    this.#circuit = lease.circuit;
  }

  #lastLook(): { readonly count: number; readonly polled: boolean } | null {
    const look = this.#options.backlog.lastLook;
    if (look === undefined || performance.now() - look.askedAt > LOOK_GOOD_MS) return null;
    return { count: look.count, polled: look.polled };
  }
}

function routeClass(name: string, routeId: string): string {
  return `route:${name}/${routeId}`;
}

function typeClass(workflowType: string): string {
  return `type:${workflowType}`;
}

function capsOf({ name, routes, maxInFlightByType }: ResolvedConfig): ReadonlyMap<string, number> {
  return new Map([
    ...routes.flatMap(({ id, maxInFlight }) =>
      maxInFlight === undefined ? [] : [[routeClass(name, id), maxInFlight] as const],
    ),
    ...[...maxInFlightByType].map(([type, maxInFlight]) => [typeClass(type), maxInFlight] as const),
  ]);
}

/** By route ID: what starts workflows on task queues other than the config's. */
export function routesElsewhere({
  routes,
  temporal,
}: Pick<ResolvedConfig, 'routes' | 'temporal'>): ReadonlySet<string> {
  const elsewhere = routes.filter(
    ({ target }) =>
      target.kind === 'workflow' && (target.options.taskQueue ?? temporal.taskQueue) !== temporal.taskQueue,
  );
  return new Set(elsewhere.map(({ id }) => id));
}

/** Where no worker polls our own queue, one task of it is the capacity workflow's: no record's. */
export function recordsOnly(
  port: Pick<TemporalPort, 'backlog'>,
  taskQueue: string,
): Pick<TemporalPort, 'backlog'> {
  const own = ownTaskQueue(taskQueue);
  return {
    backlog: async (queue) => {
      const told = await port.backlog(queue);
      return queue === own && !told.polled ? { ...told, count: Math.max(0, told.count - 1) } : told;
    },
  };
}
