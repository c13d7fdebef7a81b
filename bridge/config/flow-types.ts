/** Options of flow control: what the workers can take, how fast, and what is said of it. */

/** How many records may be in work, in all bridges and workers of a task queue together. */
export interface CapacityOptions {
  /**
   * How the limit moves: by steps with the response times (`'aimd'`), by their gradient (`'gradient'`), or not at all
   * (`'fixed'`). `'off'` asks no worker: only `maxConcurrentStarts` and `maxBacklog` hold then. @default 'aimd'
   */
  readonly limit?: 'aimd' | 'gradient' | 'fixed' | 'off';
  /** Records in work, at the start. @default 100 */
  readonly initial?: number;
  /** Records in work that are always allowed, also without a worker. @default 10 */
  readonly minimum?: number;
  /** @default 200 */
  readonly maximum?: number;
  /** A mean response over it, while records also wait for a worker, takes 10 off the limit. @default 1000 */
  readonly slowMs?: number;
  /** A mean response under it adds 5. @default 100 */
  readonly fastMs?: number;
  /** After how long the slot of a record that no live worker has in hand comes back. @default 60000 */
  readonly slotLeaseMs?: number;
}

/** Limits of one workflow type, whatever routes start it. */
export interface WorkflowTypeOptions {
  /** Executions in work, in all bridges together. @default none */
  readonly maxInFlight?: number;
}

/** When the machine of a bridge or a worker is under pressure. Shares are of the container's limits. */
export interface PressureOptions {
  /** Every worker has fewer free activity slots. @default 2 */
  readonly freeSlots?: number;
  /** A mean response over it. @default 5000 */
  readonly responseMs?: number;
  /** A larger share of the memory in use. @default 0.8 */
  readonly memory?: number;
  /** A larger share of the CPU in use. @default 0.9 */
  readonly cpu?: number;
  /** The event loop is late by more. @default 200 */
  readonly eventLoopMs?: number;
  /** Under pressure `maxPollRecords` is halved down to this, and grows by 10 a second afterwards. @default 10 */
  readonly minimumPollRecords?: number;
  /** Under pressure records of low priority are started, for Temporal to hold, or wait in Kafka. @default 'start' */
  readonly low?: 'start' | 'wait';
}

/** A token bucket. */
export interface RateOptions {
  /** Records a second. */
  readonly perSecond: number;
  /** Records at once after a quiet time. @default perSecond */
  readonly burst?: number;
}

/** What a route holds between mapping and start: demand in steps, as in reactive streams. */
export interface DemandOptions {
  /** Records that the route holds at most. @default 100 */
  readonly buffer?: number;
  /** Records asked for at a time. @default 10 */
  readonly step?: number;
  /** Asks again below so many. @default 50 */
  readonly resumeBelow?: number;
}

/** A budget of calls that start or look up executions. */
export interface RequestBudget {
  /** Calls a second. A namespace of Temporal Cloud has 500 actions by default. */
  readonly perSecond: number;
  /** The share of it that is kept for records of high priority. @default 0.1 */
  readonly reserve?: number;
}

/** Where `/healthz`, `/readyz` and `/metrics` are served. */
export interface HttpOptions {
  readonly port: number;
  /** @default '127.0.0.1' */
  readonly host?: string;
  /** How long Kafka or Temporal may be silent before `/readyz` says so. @default 30000 */
  readonly outageGraceMs?: number;
}

/** Alerts are log lines and a metric; this is where they go beside. */
export interface AlertOptions {
  /** An http or https URL that gets each alert as JSON by POST. @default none */
  readonly webhook?: string;
  /** Sent with each POST, e.g. `authorization`. @default {} */
  readonly headers?: Readonly<Record<string, string>>;
  /** Alerts of one kind and scope within it are one. @default 60000 */
  readonly groupMs?: number;
  /** POSTs of one alert, the first one included. @default 5 */
  readonly maximumAttempts?: number;
}
