/**
 * The capacity loop, as bridges, workers and the capacity workflow see it. These shapes stand in histories.
 *
 * A *slot* is the right of one record to be in work. The capacity workflow lends slots to bridges as numbers of a
 * *stream*; a bridge writes a record's slot into the memo of what it starts; workers report which numbers are released.
 * A number is lent once and released once: whatever comes late, twice or not at all, a slot can't be given out twice.
 */

export const CAPACITY_WORKFLOW = 'ktbCapacity';

/** One for all subscriptions on a task queue; it runs on {@link ownTaskQueue}. */
export function capacityWorkflowId(taskQueue: string): string {
  return `ktb/capacity/${taskQueue}`;
}

/** Signal, with a {@link WorkerReport}. */
export const REPORT_SIGNAL = 'report';
/** Update, with a {@link LeaseRequest}; answers with a {@link Lease}. */
export const LEASE_UPDATE = 'lease';
/** Update, with a {@link SettingsChange}; answers with {@link CapacitySettings}. */
export const SETTINGS_UPDATE = 'settings';
/** Query; answers with a {@link CapacityView}. */
export const VIEW_QUERY = 'view';

/** A set of whole numbers as text: `3-7,9,12-40`; empty for none. See numbers.ts. */
export type NumberRanges = string;

/** `<stream>:<number>`: a slot as it stands in a record's memo, under `slot`. */
export function slotText(stream: string, number: number): string {
  return `${stream}:${number}`;
}

/** Undefined for what is no slot's text: a memo can be anybody's. */
export function parseSlot(text: unknown): { readonly stream: string; readonly number: number } | undefined {
  const match =
    typeof text === 'string' && text.length <= 80 ? /^([\w.-]{1,60}):(\d{1,15})$/.exec(text) : null;
  return match ? { stream: match[1]!, number: Number(match[2]) } : undefined;
}

/** Header of a record's activities: its slot. */
export const SLOT_HEADER = 'ktb-slot';

/** What a record's workflow tells its worker's process: by sink, since a command would break workflows that run. */
export type CapacitySinks = {
  ktbCapacity: {
    /** The first task of a run that is its record's handler. */
    began(slot: string): void;
    /** How long the handler took until then; `null` where it was told before, or is an activity, timed by itself. */
    released(slot: string, responseMs: number | null): void;
  };
};

/** Cumulative since the worker process began. */
export interface Sum {
  readonly count: number;
  readonly sumMs: number;
}

/**
 * What a worker process tells. Everything is absolute or cumulative, so that a report that is lost is made good by the
 * next one, and one that comes twice changes nothing.
 */
export interface WorkerReport {
  /** Drawn anew by each process. */
  readonly worker: string;
  /** Readable: host and process. */
  readonly identity: string;
  /** Rises with each report of the process. */
  readonly sequence: number;
  /** Epoch ms by the worker's own clock, of a kind that does not jump. */
  readonly sentAt: number;
  /** Of handlers that ended, or released: from their begin to that. Only ms, no clock of anybody else. */
  readonly responses: Sum;
  /** How long records waited for a worker, by the worker's clock against the server's: off by their difference. */
  readonly waits: Sum;
  /** By stream: released since the last report that the server took. What is told twice counts once. */
  readonly released: Readonly<Record<string, NumberRanges>>;
  /** By stream: what has an activity under way here, now. */
  readonly running: Readonly<Record<string, NumberRanges>>;
  /** Activities under way here, now, that are of no record with a slot. */
  readonly others: number;
  /** Activity slots of both Workers of the process. */
  readonly slots: { readonly total: number; readonly free: number };
  /** Why its machine is under pressure: `memory`, `cpu`, `event-loop`, `slots`, `response`. */
  readonly pressure: readonly string[];
  /** The last report of a process that shuts down. */
  readonly ends?: true;
}

/** How the limit moves: the config's `capacity`, without `'off'`. */
export interface LimitOptions {
  readonly limit: 'aimd' | 'gradient' | 'fixed';
  readonly initial: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly slowMs: number;
  readonly fastMs: number;
  readonly slotLeaseMs: number;
}

/** What holds before any bridge has told its own; a config's defaults. */
export const LIMIT_DEFAULTS: LimitOptions = {
  limit: 'aimd',
  initial: 100,
  minimum: 10,
  maximum: 200,
  slowMs: 1_000,
  fastMs: 100,
  slotLeaseMs: 60_000,
};

/** Numbers that a bridge holds for one combination of capped classes. Numbers begin at 0, and are used in order. */
export interface StreamState {
  /** `<bridge>.<index>` */
  readonly id: string;
  /** Which caps its records count against, as in `route:orders`, `type:chargeCard`; none: only the limit. */
  readonly classes: readonly string[];
  /** The first number that is not used yet. */
  readonly next: number;
  /** It will use no number from here on without another lease: what was lent beyond comes back. */
  readonly upTo: number;
  /** Records that wait here for a slot, beyond what `upTo` allows. */
  readonly demand: number;
  /** Of `demand`: records of high priority. */
  readonly high: number;
  /** Numbers below `next` that started nothing, since the last lease that was answered. What is told twice counts once. */
  readonly returned: NumberRanges;
}

export interface LeaseRequest {
  /** Drawn anew by each process: 8 of `[a-z0-9]`. */
  readonly bridge: string;
  readonly identity: string;
  /** The subscription. */
  readonly name: string;
  /** Rises with each request of the process. A lower one than the last that was seen changes nothing. */
  readonly sequence: number;
  readonly streams: readonly StreamState[];
  /** By class: how many of its records may be in work. Where bridges differ the smallest counts. */
  readonly caps: Readonly<Record<string, number>>;
  readonly options: LimitOptions;
  /** Tasks that wait for a worker, as the server tells; `null` where it could not be asked. */
  readonly backlog: { readonly count: number; readonly polled: boolean } | null;
  /** The settings that this bridge knows, where it knows some: they outlive a capacity workflow that was terminated. */
  readonly settings: CapacitySettings | null;
  /** It gives everything back and goes. */
  readonly ends?: true;
}

export type CircuitName = 'closed' | 'open' | 'half-open';

export interface Lease {
  readonly sequence: number;
  /** By stream: it may use the numbers below this. */
  readonly upTo: Readonly<Record<string, number>>;
  /** From the moment the request was made. Afterwards none of them may be used. */
  readonly forMs: number;
  readonly limit: number;
  /** Records in work, with what is lent. */
  readonly inFlight: number;
  readonly circuit: CircuitName;
  /** Live ones. */
  readonly workers: number;
  readonly bridges: number;
  /** What holds admission back, in words for a person; empty where nothing does. */
  readonly heldBy: readonly string[];
  /** Of all live workers: see {@link WorkerReport.pressure}. */
  readonly pressure: readonly string[];
  readonly settings: CapacitySettings;
}

/** What operators have decided. The higher version wins. */
export interface CapacitySettings {
  readonly version: number;
  /** A limit set by hand; `null`: it moves by itself. */
  readonly limit: Decided<number> | null;
  /** By subscription, or `<subscription>/<route id>`. */
  readonly pauses: Readonly<Record<string, Decided<true>>>;
}

export interface Decided<T> {
  readonly value: T;
  readonly who: string;
  readonly why: string;
  /** Epoch ms, by the server. */
  readonly at: number;
}

export type SettingsChange = { readonly who: string; readonly why: string } & (
  | { readonly action: 'pause' | 'resume'; readonly scope: string }
  /** A whole number of at least 1; `null` lets it move by itself again. */
  | { readonly action: 'limit'; readonly limit: number | null }
);

/** What `ktb capacity` shows. */
export interface CapacityView {
  readonly taskQueue: string;
  readonly limit: number;
  readonly options: LimitOptions;
  readonly inFlight: number;
  readonly circuit: CircuitName;
  /** Mean response of the last window, ms; `null` without any. */
  readonly responseMs: number | null;
  /** Mean wait for a worker of the last window, ms. */
  readonly waitMs: number | null;
  readonly backlog: number | null;
  readonly workers: readonly WorkerView[];
  readonly bridges: readonly BridgeView[];
  /** By class. */
  readonly caps: Readonly<Record<string, { readonly limit: number; readonly inFlight: number }>>;
  readonly heldBy: readonly string[];
  readonly settings: CapacitySettings;
  /** How the limit moved, the last 20 changes: epoch ms, the new limit, why. */
  readonly changes: readonly { readonly at: number; readonly limit: number; readonly why: string }[];
  /** Reports and requests, or parts of them, that made no sense and changed nothing. */
  readonly ignored?: number;
}

export interface WorkerView {
  readonly worker: string;
  readonly identity: string;
  readonly alive: boolean;
  /** Since its last report. */
  readonly agoMs: number;
  readonly running: number;
  readonly slots: { readonly total: number; readonly free: number };
  readonly pressure: readonly string[];
}

export interface BridgeView {
  readonly bridge: string;
  readonly identity: string;
  readonly name: string;
  /** Whether its lease holds. */
  readonly leases: boolean;
  readonly agoMs: number;
  /** Slots that are lent to it: used and not released, or not used yet. */
  readonly inFlight: number;
  readonly demand: number;
}
