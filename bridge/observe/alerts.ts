import type { Logger } from './logger.js';

/**
 * What needs somebody. `quarantine` and `deadLetter` are gathered, since one alone is no hurry and a thousand are one
 * matter; everything else goes out at once.
 */
export const ALERT_KINDS = [
  'circuit',
  'capacityCircuit',
  'quarantine',
  'deadLetter',
  'deadLetterTopic',
  'quarantineLimit',
  'foreign',
  'partitionStalled',
  'partitionStopped',
  'lostRange',
  'watchdog',
  'connection',
] as const;

export type AlertKind = (typeof ALERT_KINDS)[number];

const GATHERED: ReadonlySet<AlertKind> = new Set(['quarantine', 'deadLetter']);
const EXAMPLES = 3;

/** What an alert is about; nothing: the whole bridge. */
export interface AlertScope {
  readonly route?: string;
  readonly topic?: string;
  readonly partition?: number;
}

export interface AlertRaise {
  readonly kind: AlertKind;
  readonly scope?: AlertScope;
  /** A whole sentence, for so many. */
  readonly message: string | ((count: number) => string);
  /** Where to look: `orders/0/17`. Never a key or a value. */
  readonly example?: string;
  /** How many things it tells of. @default 1 */
  readonly count?: number;
}

/** An alert as it goes out, and as the webhook gets it. */
export interface Alert {
  readonly kind: AlertKind;
  readonly scope: AlertScope;
  readonly message: string;
  readonly count: number;
  /** Epoch milliseconds. */
  readonly firstAt: number;
  readonly lastAt: number;
  readonly subscription: string;
}

export interface AlertsOptions {
  readonly subscription: string;
  readonly groupMs: number;
  readonly logger: Logger;
  readonly onAlert?: (alert: Alert) => void;
  readonly now?: () => number;
}

interface Group {
  readonly first: AlertRaise;
  readonly examples: string[];
  readonly timer: NodeJS.Timeout;
  last: AlertRaise;
  count: number;
  firstAt: number;
  lastAt: number;
}

/** One alert for a storm: those of one kind and scope within `groupMs` are one. */
export class Alerts {
  readonly #options: AlertsOptions;
  readonly #groups = new Map<string, Group>();
  #closed = false;

  constructor(options: AlertsOptions) {
    this.#options = options;
  }

  /** Never throws. */
  raise(raised: AlertRaise): void {
    const { kind, scope = {}, message, example, count = 1 } = raised;
    const now = (this.#options.now ?? Date.now)();
    const key = JSON.stringify([kind, scope.route, scope.topic, scope.partition]);
    let group = this.#groups.get(key);
    if (!group) {
      const timer = setTimeout(() => this.#close(key), this.#options.groupMs);
      timer.unref();
      group = { first: raised, examples: [], timer, last: raised, count: 0, firstAt: now, lastAt: now };
      this.#groups.set(key, group);
      if (!GATHERED.has(kind)) {
        this.#send({ kind, scope, message: textOf(message, count), count, firstAt: now, lastAt: now });
        return;
      }
    }
    // What comes after one that was sent is told at the end of the window.
    if (group.count === 0) group.firstAt = now;
    group.count += count;
    group.lastAt = now;
    group.last = raised;
    if (example !== undefined && group.examples.length < EXAMPLES) group.examples.push(example);
    if (this.#closed) this.#close(key);
  }

  /** What is gathered goes out now, and what comes later at once. */
  flush(): void {
    this.#closed = true;
    for (const key of this.#groups.keys()) this.#close(key);
  }

  #close(key: string): void {
    const group = this.#groups.get(key);
    if (!group) return;
    clearTimeout(group.timer);
    this.#groups.delete(key);
    if (group.count === 0) return;
    const { kind, scope = {} } = group.first;
    const { count, firstAt, lastAt } = group;
    this.#send({ kind, scope, message: messageOf(group), count, firstAt, lastAt });
  }

  #send(alert: Omit<Alert, 'subscription'>): void {
    const { logger, subscription, onAlert } = this.#options;
    const { kind, scope, message, count } = alert;
    logger.error({ alert: kind, ...scope, ...(count > 1 ? { count } : {}) }, message);
    onAlert?.({ ...alert, subscription });
  }
}

function messageOf({ last, count, examples }: Group): string {
  const text = textOf(last.message, count);
  const counted = typeof last.message === 'string' && count > 1 ? `${text} (${count} times)` : text;
  if (examples.length === 0) return counted;
  return `${counted}: ${examples.join(', ')}${count > examples.length ? ', …' : ''}`;
}

function textOf(message: AlertRaise['message'], count: number): string {
  return typeof message === 'string' ? message : message(count);
}
