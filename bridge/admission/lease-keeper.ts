import type {
  CapacitySettings,
  Lease,
  LeaseRequest,
  LimitOptions,
} from '../../workflows/capacity/contract.js';
import { messageOf } from '../errors.js';
import type { CapacityPort } from '../temporal/capacity-port.js';
import { TemporalFault } from '../temporal/temporal-port.js';
import { within } from '../timing.js';
import type { SlotGate } from './slot-gate.js';
import type { SlotPool } from './slot-pool.js';

export interface LeaseKeeperOptions {
  readonly port: Pick<CapacityPort, 'lease'>;
  readonly pool: SlotPool;
  readonly gate: Pick<SlotGate, 'short' | 'waiting' | 'waitingOf' | 'turn'>;
  /** As the pool's. */
  readonly bridge: string;
  /** Readable: host and process. */
  readonly identity: string;
  /** The subscription. */
  readonly name: string;
  readonly caps: Readonly<Record<string, number>>;
  readonly limit: LimitOptions;
  readonly backlog: () => LeaseRequest['backlog'];
  /** Whether there is work beside what waits at the gate: records under way, or a pause that may end. */
  readonly busy: () => boolean;
  /** Monotonic ms, as the pool's. */
  readonly now: () => number;
  readonly onLease?: (lease: Lease) => void;
  /** Called when they change. */
  readonly onSettings?: (settings: CapacitySettings) => void;
  /** Nobody lends any more; called once until somebody does again. */
  readonly onLost?: (fault: TemporalFault) => void;
}

const RENEW_MS = 2_000;
/** With nothing to do here, and slots out elsewhere. */
const OTHERS_MS = 5_000;
/** With less than half of what was lent left, and nothing waiting yet. */
const SHORT_MS = 1_000;
const SOONEST_MS = 250;
/** While nothing is to be had it asks less and less often, down to this. */
const LEAST_OFTEN_MS = 1_000;
/** Where no worker is, updates wait on the server, which takes ten at a time for a workflow. */
const ANSWER_MS = 2_500;
const RETRY_MS = 500;
/**
 * A worker that starts, or a machine that is busy, is no reason to go on without slots: what is started so comes on top of
 * what is in work. And before the first answer nobody knows what operators have paused.
 */
const PATIENCE_MS = 10_000;
const LONGEST_RETRY_MS = 2_000;

interface Pending {
  readonly request: LeaseRequest;
  readonly madeAt: number;
}

/**
 * Keeps this bridge's lease: asks for as many slots as there are records for them, soon when they run short, every two
 * seconds else, and gives everything back once when there is nothing to do; then it asks no more, but for a look every five
seconds while slots are out elsewhere. A request without an answer is repeated as it
 * is, under its own sequence, until somebody answers.
 */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  #sequence = 0;
  #pending: Pending | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #failedAt = Number.NEGATIVE_INFINITY;
  /** When the first request was made that was in vain. */
  #failingSince = 0;
  #spacing = SOONEST_MS;
  #retryMs = RETRY_MS;
  #failing = false;
  #settings: CapacitySettings | undefined;
  #lease: Lease | undefined;
  #closing: Promise<void> | undefined;
  #rouse: (() => void) | undefined;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  /** Whether it was asked in vain, and for long: nobody lends. */
  get failing(): boolean {
    return this.#failing && this.#options.now() - this.#failingSince >= PATIENCE_MS;
  }

  /** The last that came. */
  get lease(): Lease | undefined {
    return this.#lease;
  }

  get settings(): CapacitySettings | undefined {
    return this.#settings;
  }

  /** Something wants a slot, or went back: looks whether to ask. */
  wake(): void {
    this.#rouse?.();
  }

  /** Asks until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const wait = this.#waitMs();
      if (wait > 0) await this.#rest(wait, signal);
      else await this.#ask(signal);
    }
  }

  /** Gives everything back, for good. Again: the same promise. */
  close(timeoutMs: number): Promise<void> {
    this.#closing ??= this.#leave(timeoutMs);
    return this.#closing;
  }

  /** `Infinity`: until somebody wakes it. */
  #waitMs(): number {
    const { pool, gate, now } = this.#options;
    const since = now() - this.#askedAt;
    if (this.#failing)
      return this.#hasWork ? this.#retryMs - (now() - this.#failedAt) : Number.POSITIVE_INFINITY;
    if (gate.short !== 'no') {
      // The first slots after a quiet time, and those of high priority, are worth a request of their own.
      const urgent = gate.short === 'high' || !pool.leased;
      return (urgent ? SOONEST_MS : this.#spacing) - since;
    }
    if (pool.used && pool.runsShort) return SHORT_MS - since;
    if (this.#hasWork || pool.unsettled) return RENEW_MS - since;
    // Slots are out somewhere: a dead bridge's come back only where somebody tells that no task waits.
    return (this.#lease?.inFlight ?? 0) > 0 ? OTHERS_MS - since : Number.POSITIVE_INFINITY;
  }

  get #hasWork(): boolean {
    const { pool, gate, busy } = this.#options;
    return gate.waiting > 0 || pool.used || busy();
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const { port, pool, gate, now } = this.#options;
    const pending = (this.#pending ??= this.#make());
    const { request } = pending;
    this.#askedAt = now();
    const askedAt = this.#askedAt;
    const lease = await orAborted(port.lease(request, ANSWER_MS).catch(asFault), signal);
    if (lease === undefined) return;
    if (lease instanceof TemporalFault) {
      this.#failed(lease, askedAt);
    } else {
      this.#pending = undefined;
      const more = pool.granted(lease, pending.madeAt);
      this.#spacing = more ? SOONEST_MS : Math.min(LEAST_OFTEN_MS, this.#spacing * 2);
      this.#answered(lease);
    }
    gate.turn();
  }

  #make(ends?: true): Pending {
    const { pool, gate, bridge, identity, name, caps, limit, backlog, now } = this.#options;
    const madeAt = now();
    const sequence = ++this.#sequence;
    const waitingOf = ends === undefined && this.#hasWork ? gate.waitingOf.bind(gate) : undefined;
    const request: LeaseRequest = {
      bridge,
      identity,
      name,
      sequence,
      streams: pool.request(sequence, waitingOf),
      caps,
      options: limit,
      backlog: backlog(),
      settings: this.#settings ?? null,
      ...(ends === undefined ? {} : { ends }),
    };
    return { request, madeAt };
  }

  #answered(lease: Lease): void {
    const { onLease, onSettings } = this.#options;
    this.#failing = false;
    this.#retryMs = RETRY_MS;
    this.#lease = lease;
    onLease?.(lease);
    const { settings } = lease;
    // One that was terminated knows nothing until we have told it; what we know is newer then.
    if (this.#settings !== undefined && settings.version <= this.#settings.version) return;
    this.#settings = settings;
    onSettings?.(settings);
  }

  #failed(fault: TemporalFault, askedAt: number): void {
    // What it would not take as it is it will not take again.
    if (fault.kind !== 'systemic') this.#pending = undefined;
    if (this.#failing) this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2);
    const first = !this.#failing;
    if (first) this.#failingSince = askedAt;
    this.#failing = true;
    this.#failedAt = this.#options.now();
    if (first) this.#options.onLost?.(fault);
  }

  async #leave(timeoutMs: number): Promise<void> {
    if (this.#sequence === 0) return; // it has never asked for any
    const { request } = this.#make(true);
    // A later sequence than any under way: whichever comes first, this one is the last word.
    const answer = this.#options.port.lease(request, Math.max(1, timeoutMs)).then(
      () => undefined,
      () => undefined,
    );
    await within(answer, timeoutMs, () => undefined);
  }

  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#rouse = undefined;
        resolve();
      };
      const timer = ms === Number.POSITIVE_INFINITY ? undefined : setTimeout(done, Math.ceil(ms));
      signal.addEventListener('abort', done, { once: true });
      this.#rouse = done;
    });
  }
}

/** A defect is a fault as well: the loop must not end by it. */
function asFault(error: unknown): TemporalFault {
  if (error instanceof TemporalFault) return error;
  return new TemporalFault('systemic', messageOf(error), { cause: error });
}

/** Undefined when the signal fires first. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve(undefined);
    const leave = () => resolve(undefined);
    signal.addEventListener('abort', leave, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
