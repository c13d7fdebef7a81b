import { isBacklog, isCap, isLeaseRequest, isOptions, isReport, isStream, rangesByStream } from './checks.js';
import { CLOSED, disturbed, turned, type CircuitState } from './circuit.js';
import type {
  BridgeView,
  CapacitySettings,
  CapacityView,
  Lease,
  LeaseRequest,
  LimitOptions,
  SettingsChange,
  WorkerReport,
} from './contract.js';
import { fallen, limitOf, moved, observed, UNMOVED, type LimitState } from './limit.js';
import { changed, newer, NO_SETTINGS, pausesOf } from './settings.js';
import { Slots } from './slots.js';
import { LEASE_MS, type StreamCarry } from './stream.js';
import { Workers, type WorkersCarry } from './workers.js';

/** Before any bridge has told its own. */
const OPTIONS: LimitOptions = {
  limit: 'aimd',
  initial: 100,
  minimum: 10,
  maximum: 200,
  slowMs: 1_000,
  fastMs: 100,
  slotLeaseMs: 60_000,
};
const MOST_BRIDGES = 200;
/** For so long a bridge is remembered after its last request, so that a late one of it is known as such. */
const REMEMBERED_MS = 60_000;
/** What bridges tell of the backlog holds for so long. */
const BACKLOG_MS = 10_000;
/** Workers are gone when they have been gone for so long: a clock that jumps makes all of them silent for a moment. */
const GONE_MS = 5_000;
const CHANGES = 20;

interface Bridge {
  readonly identity: string;
  readonly name: string;
  readonly sequence: number;
  readonly at: number;
  readonly ended: boolean;
  readonly caps: Readonly<Record<string, number>>;
  /** When it was last lent something, as a count of all loans: who stands lower comes first. */
  readonly turn: number;
}

/** Everything, as continue-as-new carries it: plain JSON. */
export interface CapacityCarry {
  readonly taskQueue: string;
  /** The workflow's time as it last was, and ours, which does not go back. */
  readonly clock: { readonly raw: number; readonly now: number } | null;
  readonly options: LimitOptions;
  readonly limit: LimitState;
  readonly circuit: CircuitState;
  readonly settings: CapacitySettings;
  readonly bridges: readonly (readonly [string, Bridge])[];
  readonly streams: readonly StreamCarry[];
  readonly workers: WorkersCarry;
  readonly turn: number;
  readonly backlog: { readonly count: number; readonly at: number } | null;
  /** When a backlog of none was told, until all workers have told what they have in hand since. */
  readonly emptyAt: number | null;
  readonly boundAt: number | null;
  readonly goneSince: number | null;
  readonly changes: CapacityView['changes'];
  readonly ignored: number;
}

/** What the capacity workflow knows of a task queue, and decides. Pure: the time is a parameter. */
export class CapacityState {
  #is: Omit<CapacityCarry, 'bridges' | 'streams' | 'workers'>;
  readonly #bridges: Map<string, Bridge>;
  readonly #slots: Slots;
  readonly #workers: Workers;

  private constructor({ bridges, streams, workers, ...rest }: CapacityCarry) {
    this.#is = rest;
    this.#bridges = new Map(bridges);
    this.#slots = new Slots(streams);
    this.#workers = new Workers(workers);
  }

  static fresh(taskQueue: string): CapacityState {
    return new CapacityState({
      taskQueue,
      clock: null,
      options: OPTIONS,
      limit: UNMOVED,
      circuit: CLOSED,
      settings: NO_SETTINGS,
      bridges: [],
      streams: [],
      workers: { workers: [], chunks: [] },
      turn: 0,
      backlog: null,
      emptyAt: null,
      boundAt: null,
      goneSince: null,
      changes: [],
      ignored: 0,
    });
  }

  static from(carry: CapacityCarry): CapacityState {
    return new CapacityState(carry);
  }

  /** Messages that made no sense, or parts of them. */
  get ignored(): number {
    return this.#is.ignored;
  }

  report(report: WorkerReport, nowMs: number): void {
    const now = this.#look(nowMs);
    if (!isReport(report, nowMs)) return this.#ignore();
    for (const [stream, numbers] of rangesByStream(report.released)!) {
      if (!this.#slots.release(stream, numbers)) this.#ignore();
    }
    const open = this.#slots.openNumbers.bind(this.#slots);
    const responses = this.#workers.report(report, open, now, nowMs) ?? 0;
    this.#is = { ...this.#is, limit: observed(this.#is.limit, responses) };
    this.#turn(now, nowMs, { responses });
  }

  /** Never throws: what is no request is answered with nothing. */
  lease(request: LeaseRequest, nowMs: number): Lease {
    const now = this.#look(nowMs);
    if (!isLeaseRequest(request)) {
      this.#ignore();
      return this.#answer(undefined, now);
    }
    const { bridge } = request;
    const before = this.#bridges.get(bridge);
    if (before ? request.sequence <= before.sequence : this.#bridges.size >= MOST_BRIDGES) {
      if (!before) this.#ignore();
      return this.#answer(bridge, now);
    }
    this.#hear(request, now, nowMs);
    const excused = this.#hearStreams(request, now);
    if (request.ends === true) this.#slots.end(bridge);
    this.#turn(now, nowMs, { excused });
    if (request.ends !== true) this.#lend(bridge, now);
    return this.#answer(bridge, now);
  }

  /** @throws Error where the change makes no sense */
  change(change: SettingsChange, nowMs: number): CapacitySettings {
    const now = this.#look(nowMs);
    this.#set(changed(this.#is.settings, change, nowMs), now, nowMs);
    return this.#is.settings;
  }

  view(nowMs: number): CapacityView {
    const now = this.#look(nowMs);
    const { taskQueue, options, circuit, settings, changes } = this.#is;
    const window = this.#workers.window();
    return {
      taskQueue,
      limit: this.#limit(now),
      options,
      inFlight: this.#slots.open,
      circuit: circuit.name,
      responseMs: mean(window.sumMs, window.count),
      waitMs: mean(window.waitMs, window.waits),
      backlog: this.#backlog(now),
      workers: this.#workers.views(now),
      bridges: [...this.#bridges].map(([bridge, one]) => this.#bridgeView(bridge, one, now)),
      caps: Object.fromEntries(
        [...this.#caps(now)].map(([name, limit]) => [name, { limit, inFlight: this.#slots.openIn(name) }]),
      ),
      heldBy: this.#heldBy(now),
      settings,
      changes,
      ignored: this.ignored,
    };
  }

  carry(): CapacityCarry {
    return {
      ...this.#is,
      bridges: [...this.#bridges],
      streams: this.#slots.carry(),
      workers: this.#workers.carry(),
    };
  }

  /** What holds now. */
  #limit(now: number, hasWorkers = this.#workers.alive(now) > 0): number {
    const { options, circuit, limit } = this.#is;
    const decided = this.#decided ?? limitOf(limit, options);
    const bounded = circuit.name !== 'closed' && (this.#decided || options.limit === 'fixed');
    if (circuit.name === 'open' || bounded || !hasWorkers) {
      return Math.min(decided, options.minimum);
    }
    return decided;
  }

  get #decided(): number | undefined {
    return this.#is.settings.limit?.value;
  }

  /** Time passes. A clock that goes back counts as standing still, and goes on from there. */
  #look(nowMs: number): number {
    const { clock } = this.#is;
    const raw = Number.isFinite(nowMs) ? nowMs : (clock?.raw ?? 0);
    const now = clock ? clock.now + Math.max(0, raw - clock.raw) : raw;
    this.#is = { ...this.#is, clock: { raw, now } };
    this.#slots.look(now);
    this.#workers.look(now);
    for (const [id, bridge] of this.#bridges) {
      if (now - bridge.at > REMEMBERED_MS && !this.#slots.has(id)) this.#bridges.delete(id);
    }
    this.#reclaim(now);
    return now;
  }

  #reclaim(now: number): void {
    const { emptyAt, options } = this.#is;
    if (emptyAt === null || !this.#workers.toldSince(emptyAt, now)) return;
    const inHand = (stream: string) => this.#workers.inHand(stream, now);
    this.#slots.reclaim(inHand, options.slotLeaseMs, emptyAt);
    this.#is = { ...this.#is, emptyAt: null };
  }

  #hear(request: LeaseRequest, now: number, nowMs: number): void {
    const { bridge, identity, name, sequence, options, backlog } = request;
    const caps = Object.entries(request.caps).filter(([, cap]) => isCap(cap));
    this.#bridges.set(bridge, {
      identity,
      name,
      sequence,
      at: now,
      ended: request.ends === true,
      caps: Object.fromEntries(caps),
      turn: this.#bridges.get(bridge)?.turn ?? 0,
    });
    if (isOptions(options)) this.#is = { ...this.#is, options: { ...options } };
    else this.#ignore();
    if (isBacklog(backlog)) {
      const emptyAt = backlog.count === 0 ? (this.#is.emptyAt ?? now) : this.#is.emptyAt;
      this.#is = { ...this.#is, backlog: { count: backlog.count, at: now }, emptyAt };
    }
    if (request.settings !== null) this.#set(newer(this.#is.settings, request.settings), now, nowMs);
  }

  /** @returns whether we have learnt of numbers that are in use */
  #hearStreams({ bridge, streams }: LeaseRequest, now: number): boolean {
    const { slotLeaseMs, maximum } = this.#is.options;
    let excused = false;
    for (const stream of streams) {
      const heard = isStream(stream, bridge)
        ? this.#slots.told(bridge, stream, slotLeaseMs, maximum, now)
        : 'strange';
      if (heard === 'strange') this.#ignore();
      if (heard === 'learnt') excused = true;
    }
    return excused;
  }

  #lend(bridge: string, now: number): void {
    const limit = this.#limit(now);
    const turns = this.#living(now).sort(([, a], [, b]) => a.turn - b.turn);
    const lent = this.#slots.lend(bridge, {
      limit,
      caps: this.#caps(now),
      turns: turns.map(([id]) => id),
      highOnly: this.#is.circuit.name === 'open',
    });
    if (lent > 0) {
      this.#is = { ...this.#is, turn: this.#is.turn + 1 };
      this.#bridges.set(bridge, { ...this.#bridges.get(bridge)!, turn: this.#is.turn });
    }
    const bound = this.#slots.demand > 0 && this.#slots.open >= limit;
    this.#is = { ...this.#is, boundAt: bound ? now : null };
  }

  #set(settings: CapacitySettings, now: number, nowMs: number): void {
    const before = this.#limit(now);
    this.#is = { ...this.#is, settings };
    if (this.#limit(now) !== before) {
      this.#noteChange(nowMs, now, settings.limit ? `set by ${settings.limit.who}` : 'moves by itself again');
      this.#turn(now, nowMs, { excused: this.#limit(now) < before });
    }
  }

  /** The limit and the circuit, by what has just been told. */
  #turn(now: number, nowMs: number, told: { responses?: number; excused?: boolean }): void {
    const { options, boundAt } = this.#is;
    const window = this.#workers.window();
    const before = limitOf(this.#is.limit, options);
    const { name } = this.#is.circuit;
    let excused = told.excused === true;
    if (name !== 'open') {
      const situation = {
        inFlight: this.#slots.open,
        bound: boundAt !== null && now - boundAt < LEASE_MS,
        responseMs: mean(window.sumMs, window.count),
        waitMs: mean(window.waitMs, window.waits),
      };
      const { state, why } = moved(this.#is.limit, situation, options, now);
      this.#is = { ...this.#is, limit: state };
      const after = limitOf(state, options);
      if (why !== undefined) this.#noteChange(nowMs, now, why);
      if (after < before) {
        excused = true;
        this.#is = { ...this.#is, circuit: disturbed(this.#is.circuit, now) };
      }
    }
    const alive = this.#workers.alive(now);
    const goneSince = alive > 0 || !this.#workers.known ? null : (this.#is.goneSince ?? now);
    const gone = goneSince !== null && now - goneSince >= GONE_MS;
    this.#is = { ...this.#is, goneSince };
    // Without a worker the limit is the minimum at once; only where that lasts it is a fault.
    const limit = this.#limit(now, !gone);
    const circuit = turned(
      this.#is.circuit,
      { inFlight: this.#inWork(now), limit, excused, responses: told.responses ?? 0 },
      now,
    );
    if (circuit.name === 'open' && name !== 'open') {
      this.#is = { ...this.#is, circuit, limit: fallen(this.#is.limit, options, now) };
      this.#noteChange(nowMs, now, `the circuit opens: ${this.#inWork(now)} in work at a limit of ${limit}`);
    } else this.#is = { ...this.#is, circuit };
  }

  /** For the circuit: our own, or what server and workers tell, whoever started it. */
  #inWork(now: number): number {
    return Math.max(this.#slots.used, (this.#backlog(now) ?? 0) + this.#workers.busy(now));
  }

  #backlog(now: number): number | null {
    const { backlog } = this.#is;
    return backlog && now - backlog.at < BACKLOG_MS ? backlog.count : null;
  }

  #living(now: number): [string, Bridge][] {
    return [...this.#bridges].filter(([, { at, ended }]) => !ended && now < at + LEASE_MS);
  }

  /** By class, the smallest that any living bridge tells. */
  #caps(now: number): Map<string, number> {
    const caps = new Map<string, number>();
    for (const [, bridge] of this.#living(now)) {
      for (const [name, cap] of Object.entries(bridge.caps)) {
        caps.set(name, Math.min(cap, caps.get(name) ?? cap));
      }
    }
    return caps;
  }

  #heldBy(now: number, name?: string): string[] {
    const { circuit, settings, options } = this.#is;
    const [limit, open] = [this.#limit(now), this.#slots.open];
    const by = (one: { who: string; why: string }) => `${one.who}${one.why === '' ? '' : ` (${one.why})`}`;
    const held = pausesOf(settings, name).map(([scope, one]) => `${scope} is paused by ${by(one)}`);
    if (circuit.name === 'open') {
      held.push(
        `The circuit is open: ${this.#inWork(now)} in work at a limit of ${limit}. Only high priority passes.`,
      );
    }
    if (this.#workers.alive(now) === 0) {
      held.push(`No worker reports: at most ${Math.min(limit, options.minimum)} until one does.`);
    }
    if (open >= limit) {
      const set = settings.limit ? `, set by ${by(settings.limit)}` : '';
      held.push(`${open} in work at a limit of ${limit}${set}.`);
    }
    for (const [cls, cap] of this.#caps(now)) {
      const inClass = this.#slots.openIn(cls);
      if (inClass >= cap) held.push(`${cls}: ${inClass} in work, at most ${cap}.`);
    }
    return held;
  }

  #bridgeView(bridge: string, { identity, name, at, ended }: Bridge, now: number): BridgeView {
    return {
      bridge,
      identity,
      name,
      leases: !ended && now < at + LEASE_MS,
      agoMs: now - at,
      inFlight: this.#slots.openOf(bridge),
      demand: this.#slots.demandOf(bridge),
    };
  }

  #answer(bridge: string | undefined, now: number): Lease {
    const known = bridge === undefined ? undefined : this.#bridges.get(bridge);
    const left = known && !known.ended ? known.at + LEASE_MS - now : 0;
    return {
      sequence: known?.sequence ?? 0,
      upTo: known ? this.#slots.upTo(bridge!, now) : {},
      forMs: Math.max(0, left),
      limit: this.#limit(now),
      inFlight: this.#slots.open,
      circuit: this.#is.circuit.name,
      workers: this.#workers.alive(now),
      bridges: this.#living(now).length,
      heldBy: this.#heldBy(now, known?.name),
      pressure: this.#workers.pressure(now),
      settings: this.#is.settings,
    };
  }

  #noteChange(at: number, now: number, why: string): void {
    const change = { at, limit: this.#limit(now), why };
    this.#is = { ...this.#is, changes: [...this.#is.changes, change].slice(-CHANGES) };
  }

  #ignore(): void {
    this.#is = { ...this.#is, ignored: this.#is.ignored + 1 };
  }
}

function mean(sum: number, count: number): number | null {
  return count > 0 ? sum / count : null;
}
