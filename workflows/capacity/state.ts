import { Bridges, type BridgesCarry } from './bridges.js';
import { isBacklog, isLeaseRequest, isOptions, isReport, isStream, rangesByStream } from './checks.js';
import type {
  CapacitySettings,
  CapacityView,
  Lease,
  LeaseRequest,
  SettingsChange,
  WorkerReport,
} from './contract.js';
import { Governor, UNGOVERNED, type GovernorCarry, type Moment, type Standing } from './governor.js';
import { heldBy } from './held-by.js';
import { changed, newer, NO_SETTINGS } from './settings.js';
import { Slots } from './slots.js';
import { LEASE_MS, type StreamCarry } from './stream.js';
import { Workers, type WorkersCarry } from './workers.js';

/** What bridges tell of the backlog holds for so long. */
const BACKLOG_MS = 10_000;

interface Known {
  readonly taskQueue: string;
  /** The workflow's time as it last was, and ours, which does not go back. */
  readonly clock: Moment | null;
  readonly settings: CapacitySettings;
  readonly backlog: { readonly count: number; readonly at: number } | null;
  /** When a backlog of none was told, until all workers have told what they have in hand since. */
  readonly emptyAt: number | null;
  /**
   * Before it nothing is judged to be lost: time has leapt, be it that nobody spoke or that a clock jumped, and whoever
   * lives must have had the time to say so.
   */
  readonly sureFrom: number;
  /** When records last waited that only the limit kept back. */
  readonly boundAt: number | null;
  readonly ignored: number;
}

/** Everything, as continue-as-new carries it: plain JSON. */
export interface CapacityCarry extends Known {
  readonly governor: GovernorCarry;
  readonly bridges: BridgesCarry;
  readonly streams: readonly StreamCarry[];
  readonly workers: WorkersCarry;
}

/** What the capacity workflow knows of a task queue, and decides. Pure: the time is a parameter. */
export class CapacityState {
  #is: Known;
  readonly #governor: Governor;
  readonly #bridges: Bridges;
  readonly #slots: Slots;
  readonly #workers: Workers;

  private constructor({ governor, bridges, streams, workers, ...known }: CapacityCarry) {
    this.#is = known;
    this.#governor = new Governor(governor);
    this.#bridges = new Bridges(bridges);
    this.#slots = new Slots(streams);
    this.#workers = new Workers(workers);
  }

  static fresh(taskQueue: string): CapacityState {
    return new CapacityState({
      taskQueue,
      clock: null,
      settings: NO_SETTINGS,
      backlog: null,
      emptyAt: null,
      sureFrom: 0,
      boundAt: null,
      ignored: 0,
      governor: UNGOVERNED,
      bridges: { bridges: [], loans: 0 },
      streams: [],
      workers: { workers: [], chunks: [] },
    });
  }

  static from(carry: CapacityCarry): CapacityState {
    return new CapacityState(carry);
  }

  /** Messages that made no sense, or parts of them. */
  get ignored(): number {
    return this.#is.ignored;
  }

  /** Never throws: what is no report changes nothing, and is counted. */
  report(report: WorkerReport, nowMs: number): void {
    const at = this.#look(nowMs);
    if (!isReport(report, nowMs)) return this.#ignore();
    for (const [stream, numbers] of rangesByStream(report.released)!) {
      if (!this.#slots.release(stream, numbers)) this.#ignore();
    }
    const open = this.#slots.openNumbers.bind(this.#slots);
    const responses = this.#workers.report(report, open, at) ?? 0;
    this.#turn(at, { responses });
  }

  /** Never throws: what is no request is answered with nothing. */
  lease(request: LeaseRequest, nowMs: number): Lease {
    const at = this.#look(nowMs);
    if (!isLeaseRequest(request)) {
      this.#ignore();
      return this.#answer('', at.now);
    }
    const { bridge } = request;
    const heard = this.#bridges.hear(request, at.now);
    if (heard === 'strange') this.#ignore();
    if (heard !== 'new') return this.#answer(bridge, at.now);
    this.#hear(request, at);
    const excused = this.#hearStreams(request, at.now);
    if (request.ends === true) this.#slots.end(bridge);
    this.#turn(at, { excused });
    if (request.ends !== true) this.#lend(bridge, at.now);
    return this.#answer(bridge, at.now);
  }

  /** @throws Error where the change makes no sense */
  change(change: SettingsChange, nowMs: number): CapacitySettings {
    const at = this.#look(nowMs);
    this.#set(changed(this.#is.settings, change, nowMs), at);
    return this.#is.settings;
  }

  /** Changes nothing: a query must not, or a replay would come to other answers. */
  view(nowMs: number): CapacityView {
    const then = CapacityState.from(this.carry());
    return then.#view(then.#look(nowMs).now);
  }

  carry(): CapacityCarry {
    return {
      ...this.#is,
      governor: this.#governor.carry(),
      bridges: this.#bridges.carry(),
      streams: this.#slots.carry(),
      workers: this.#workers.carry(),
    };
  }

  #view(now: number): CapacityView {
    const { responseMs, waitMs } = this.#means();
    return {
      taskQueue: this.#is.taskQueue,
      limit: this.#limit(now),
      options: this.#governor.options,
      inFlight: this.#slots.open,
      circuit: this.#governor.circuit,
      responseMs,
      waitMs,
      backlog: this.#backlog(now),
      workers: this.#workers.views(now),
      bridges: this.#bridges.all.map(([bridge, { identity, name, at }]) => ({
        bridge,
        identity,
        name,
        leases: this.#bridges.left(bridge, now) > 0,
        agoMs: now - at,
        inFlight: this.#slots.openOf(bridge),
        demand: this.#slots.demandOf(bridge),
      })),
      caps: Object.fromEntries(
        this.#caps(now).map(({ name, cap, inFlight }) => [name, { limit: cap, inFlight }]),
      ),
      heldBy: this.#heldBy(now),
      settings: this.#is.settings,
      changes: this.#governor.changes,
      ignored: this.ignored,
    };
  }

  /** Time passes. A clock that goes back counts as standing still, and goes on from there. */
  #look(nowMs: number): Moment {
    const { clock } = this.#is;
    const raw = Number.isFinite(nowMs) ? nowMs : (clock?.raw ?? 0);
    const passed = clock ? Math.max(0, raw - clock.raw) : 0;
    const now = clock ? clock.now + passed : raw;
    this.#is = { ...this.#is, clock: { raw, now } };
    if (passed > LEASE_MS) this.#is = { ...this.#is, sureFrom: now + LEASE_MS, emptyAt: null };
    this.#slots.look(now);
    this.#workers.look(now);
    this.#bridges.look(now, (bridge) => this.#slots.has(bridge));
    this.#reclaim(now);
    return { now, raw };
  }

  /** Once every worker has told what it has in hand since no task waited, what nobody has in hand is in work no more. */
  #reclaim(now: number): void {
    const { emptyAt } = this.#is;
    if (emptyAt === null || !this.#workers.toldSince(emptyAt, now)) return;
    const inHand = (stream: string) => this.#workers.inHand(stream, this.#governor.options.slotLeaseMs, now);
    this.#slots.reclaim(inHand, this.#governor.options.slotLeaseMs, emptyAt);
    this.#is = { ...this.#is, emptyAt: null };
  }

  #hear({ options, backlog, settings }: LeaseRequest, at: Moment): void {
    if (isOptions(options)) this.#governor.options = { ...options };
    else this.#ignore();
    if (isBacklog(backlog)) {
      const isEmpty = backlog.count === 0 && at.now >= this.#is.sureFrom;
      const emptyAt = this.#is.emptyAt ?? (isEmpty ? at.now : null);
      this.#is = { ...this.#is, backlog: { count: backlog.count, at: at.now }, emptyAt };
    }
    if (settings !== null) this.#set(newer(this.#is.settings, settings), at);
  }

  /** @returns whether we have learnt of numbers that are in use */
  #hearStreams({ bridge, streams }: LeaseRequest, now: number): boolean {
    const { slotLeaseMs, maximum } = this.#governor.options;
    let learnt = false;
    for (const stream of streams) {
      const heard = isStream(stream, bridge)
        ? this.#slots.told(bridge, stream, slotLeaseMs, maximum, now)
        : 'strange';
      if (heard === 'strange') this.#ignore();
      if (heard === 'learnt') learnt = true;
    }
    return learnt;
  }

  #lend(bridge: string, now: number): void {
    const limit = this.#limit(now);
    const lent = this.#slots.lend(bridge, {
      limit,
      caps: this.#bridges.caps(now),
      turns: this.#bridges.living(now),
      highOnly: this.#governor.circuit === 'open',
    });
    if (lent > 0) this.#bridges.served(bridge);
    const bound = this.#slots.demand > 0 && this.#slots.open >= limit;
    this.#is = { ...this.#is, boundAt: bound ? now : null };
  }

  #set(settings: CapacitySettings, at: Moment): void {
    const before = this.#limit(at.now);
    this.#is = { ...this.#is, settings };
    const after = this.#limit(at.now);
    if (after === before) return;
    const why = settings.limit ? `set by ${settings.limit.who}` : 'moves by itself again';
    this.#governor.note(why, this.#standing(at.now), at);
    this.#turn(at, { excused: after < before });
  }

  #turn(at: Moment, told: { responses?: number; excused?: boolean }): void {
    const { boundAt } = this.#is;
    const situation = {
      ...this.#means(),
      inFlight: this.#slots.open,
      inWork: this.#inWork(at.now),
      bound: boundAt !== null && at.now - boundAt < LEASE_MS,
      responses: told.responses ?? 0,
      excused: told.excused === true,
    };
    this.#governor.turn(situation, this.#standing(at.now), at);
  }

  #limit(now: number): number {
    return this.#governor.limit(this.#standing(now));
  }

  #standing(now: number): Standing {
    const decided = this.#is.settings.limit?.value;
    return { alive: this.#workers.alive(now), seen: this.#workers.seen, decided };
  }

  #means(): { responseMs: number | null; waitMs: number | null } {
    const { count, sumMs, waits, waitMs } = this.#workers.window();
    return { responseMs: mean(sumMs, count), waitMs: mean(waitMs, waits) };
  }

  /** For the circuit: our own, or what server and workers tell, whoever started it. */
  #inWork(now: number): number {
    return Math.max(this.#slots.used, (this.#backlog(now) ?? 0) + this.#workers.busy(now));
  }

  #backlog(now: number): number | null {
    const { backlog } = this.#is;
    return backlog && now - backlog.at < BACKLOG_MS ? backlog.count : null;
  }

  #caps(now: number): { name: string; cap: number; inFlight: number }[] {
    return [...this.#bridges.caps(now)].map(([name, cap]) => ({
      name,
      cap,
      inFlight: this.#slots.openIn(name),
    }));
  }

  #heldBy(now: number, subscription?: string): string[] {
    const holding = {
      limit: this.#limit(now),
      inFlight: this.#slots.open,
      inWork: this.#inWork(now),
      circuit: this.#governor.circuit,
      workers: this.#workers.alive(now),
      caps: this.#caps(now),
      settings: this.#is.settings,
    };
    return heldBy(holding, subscription);
  }

  #answer(bridge: string, now: number): Lease {
    const known = this.#bridges.get(bridge);
    return {
      sequence: known?.sequence ?? 0,
      upTo: this.#slots.upTo(bridge, now),
      forMs: this.#bridges.left(bridge, now),
      limit: this.#limit(now),
      inFlight: this.#slots.open,
      circuit: this.#governor.circuit,
      workers: this.#workers.alive(now),
      bridges: this.#bridges.living(now).length,
      heldBy: this.#heldBy(now, known?.name),
      pressure: this.#workers.pressure(now),
      settings: this.#is.settings,
    };
  }

  #ignore(): void {
    this.#is = { ...this.#is, ignored: this.#is.ignored + 1 };
  }
}

function mean(sum: number, count: number): number | null {
  return count > 0 ? sum / count : null;
}
