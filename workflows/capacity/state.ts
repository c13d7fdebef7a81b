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
import { Governor, UNGOVERNED, type GovernorCarry, type Moment } from './governor.js';
import { Readings, type Known } from './readings.js';
import { changed, newer, NO_SETTINGS } from './settings.js';
import { Slots } from './slots.js';
import { LEASE_MS, type StreamCarry } from './stream.js';
import { Workers, type WorkersCarry } from './workers.js';

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
  readonly #read: Readings;

  private constructor({ governor, bridges, streams, workers, ...known }: CapacityCarry) {
    this.#is = known;
    this.#governor = new Governor(governor);
    this.#bridges = new Bridges(bridges);
    this.#slots = new Slots(streams);
    this.#workers = new Workers(workers);
    this.#read = new Readings(() => this.#is, this.#governor, this.#bridges, this.#slots, this.#workers);
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

  /** What operators have decided. */
  get settings(): CapacitySettings {
    return this.#is.settings;
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
      return this.#read.answer('', at.now);
    }
    const { bridge } = request;
    const heard = this.#bridges.hear(request, at.now);
    if (heard === 'strange') this.#ignore();
    if (heard !== 'new') return this.#read.answer(bridge, at.now);
    this.#hear(request, at);
    const excused = this.#hearStreams(request, at.now);
    if (request.ends === true) this.#slots.end(bridge);
    this.#turn(at, { excused });
    if (request.ends !== true) this.#lend(bridge, at.now);
    return this.#read.answer(bridge, at.now);
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
    return then.#read.view(then.#look(nowMs).now);
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
    const limit = this.#read.limit(now);
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
    const before = this.#read.limit(at.now);
    this.#is = { ...this.#is, settings };
    const after = this.#read.limit(at.now);
    if (after === before) return;
    const why = settings.limit ? `set by ${settings.limit.who}` : 'moves by itself again';
    this.#governor.note(why, this.#read.standing(at.now), at);
    this.#turn(at, { excused: after < before });
  }

  #turn(at: Moment, told: { responses?: number; excused?: boolean }): void {
    const { boundAt } = this.#is;
    const situation = {
      ...this.#read.means(at.now),
      inFlight: this.#slots.open,
      inWork: this.#read.inWork(at.now),
      bound: boundAt !== null && at.now - boundAt < LEASE_MS,
      responses: told.responses ?? 0,
      excused: told.excused === true,
    };
    this.#governor.turn(situation, this.#read.standing(at.now), at);
  }

  #ignore(): void {
    this.#is = { ...this.#is, ignored: this.#is.ignored + 1 };
  }
}
