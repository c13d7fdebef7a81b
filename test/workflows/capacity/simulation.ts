import fc from 'fast-check';
import type {
  Lease,
  LeaseRequest,
  LimitOptions,
  WorkerReport,
} from '../../../workflows/capacity/contract.js';
import { NumberSet } from '../../../workflows/capacity/numbers.js';
import { CapacityState } from '../../../workflows/capacity/state.js';

/**
 * A world around the capacity state, as small as it can be and still go wrong in every way: bridges that use what is lent
 * to them, workers that take records from one backlog and tell what they have done, and messages that are late, lost,
 * doubled and out of order. It knows the truth: what is in work, whatever anybody was told.
 */

export const OPTIONS: LimitOptions = {
  limit: 'aimd',
  initial: 8,
  minimum: 3,
  maximum: 12,
  slowMs: 1_000,
  fastMs: 100,
  slotLeaseMs: 20_000,
};
/** Of the class `a`; `b` has none. */
export const CAP = 4;
const START = 1_790_000_000_000;
const CLASSES: readonly (readonly string[])[] = [[], ['a'], ['a', 'b']];

interface Record_ {
  readonly stream: string;
  readonly number: number;
  readonly classes: readonly string[];
  readonly takenAt: number;
}

interface SimStream {
  readonly id: string;
  readonly classes: readonly string[];
  next: number;
  upTo: number;
  low: number;
  high: number;
  returned: NumberSet;
}

interface SimBridge {
  readonly id: string;
  readonly streams: SimStream[];
  sequence: number;
  askedAt: number;
  /** By the true time. */
  leaseUntil: number;
  circuit: Lease['circuit'];
}

interface SimWorker {
  readonly id: string;
  readonly skewMs: number;
  sequence: number;
  running: Record_[];
  released: Map<string, NumberSet>;
  responses: { count: number; sumMs: number };
  waits: { count: number; sumMs: number };
}

type Message =
  | { readonly to: 'state'; readonly report: WorkerReport; readonly at: number }
  | { readonly to: 'state'; readonly request: LeaseRequest; readonly at: number }
  | { readonly to: 'bridge'; readonly bridge: string; readonly answer: Lease; readonly at: number };

export type Step =
  | { readonly do: 'arrive'; readonly which: number; readonly count: number; readonly high: boolean }
  | { readonly do: 'ask' | 'use' | 'giveUp' | 'take' | 'finish'; readonly which: number }
  | { readonly do: 'report'; readonly which: number; readonly lost: boolean }
  | { readonly do: 'deliver'; readonly which: number; readonly twice: boolean }
  | { readonly do: 'lose'; readonly which: number }
  /** Some times two seconds in which all goes well and nothing is finished, but for one bridge that is silent. */
  | { readonly do: 'rounds'; readonly which: number; readonly count: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'jump'; readonly ms: number }
  | {
      readonly do:
        'killBridge' | 'killWorker' | 'newBridge' | 'newWorker' | 'endBridge' | 'carry' | 'terminate';
      readonly which: number;
    };

const nat = fc.nat(30);
const plain = (...names: ('ask' | 'use' | 'giveUp' | 'take' | 'finish')[]) =>
  fc.record({ do: fc.constantFrom(...names), which: nat });

/** `terminates`: the workflow may be gone in between, and everything it knew. */
export function steps(terminates: boolean): fc.Arbitrary<readonly Step[]> {
  const rare = ['killBridge', 'killWorker', 'newBridge', 'newWorker', 'endBridge', 'carry'] as const;
  const arrive = { do: fc.constant('arrive' as const), which: nat, count: fc.integer({ min: 1, max: 15 }) };
  return fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.record({ ...arrive, high: fc.boolean() }) },
      { weight: 14, arbitrary: plain('ask', 'use', 'use', 'take', 'take', 'finish') },
      { weight: 1, arbitrary: plain('giveUp') },
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant('rounds' as const),
          which: nat,
          count: fc.integer({ min: 1, max: 10 }),
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({ do: fc.constant('report' as const), which: nat, lost: fc.boolean() }),
      },
      {
        weight: 9,
        arbitrary: fc.record({ do: fc.constant('deliver' as const), which: nat, twice: fc.boolean() }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), which: nat }) },
      {
        weight: 5,
        arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 3_000 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constant('jump' as const),
          ms: fc.oneof(fc.integer({ min: -400_000, max: 0 }), fc.integer({ min: 1, max: 90_000 })),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constantFrom(...rare, ...(terminates ? (['terminate'] as const) : [])),
          which: nat,
        }),
      },
    ),
    { maxLength: 120, size: 'max' },
  );
}

export class World {
  state = CapacityState.fresh('orders');
  /** Goes through a continue-as-new before every message: nobody may tell it from the other. */
  #twin = CapacityState.fresh('orders');
  readonly options: LimitOptions;
  largestLimit = 0;
  done = 0;
  #t = START;
  #clock = 0;
  #drawn = 0;
  /** By bridge, the last request that the state has had. */
  readonly #heard = new Map<string, number>();
  bridges: SimBridge[] = [];
  workers: SimWorker[] = [];
  backlog: Record_[] = [];
  messages: Message[] = [];

  constructor(options: Partial<LimitOptions> = {}) {
    this.options = { ...OPTIONS, ...options };
    this.#newBridge();
    this.#newBridge();
    this.#newWorker();
    this.#newWorker();
  }

  get waiting(): number {
    return this.#streams.reduce((sum, { low, high }) => sum + low + high, 0);
  }

  /** Records started and not done, and those that may be started any moment. */
  inWork(name?: string): number {
    const counts = (one: { classes: readonly string[] }) => name === undefined || one.classes.includes(name);
    const started = [...this.backlog, ...this.workers.flatMap(({ running }) => running)].filter(
      counts,
    ).length;
    const rights = this.bridges
      .filter(({ leaseUntil }) => this.#t < leaseUntil)
      .flatMap(({ streams }) => streams.filter(counts))
      .reduce((sum, { next, upTo }) => sum + upTo - next, 0);
    return started + rights;
  }

  play(step: Step): void {
    const { bridges, workers } = this;
    const of = <T>(list: readonly T[], which: number): T | undefined =>
      list[which % Math.max(1, list.length)];
    switch (step.do) {
      case 'arrive': {
        const stream = of(this.#streams, step.which);
        if (stream) stream[step.high ? 'high' : 'low'] += step.count;
        return;
      }
      case 'ask':
        return this.#ask(of(bridges, step.which));
      case 'endBridge':
        return this.#ask(of(bridges, step.which), true);
      case 'use':
        return this.#use(of(bridges, step.which));
      case 'giveUp': {
        const bridge = of(bridges, step.which);
        const stream = bridge && of(bridge.streams, step.which);
        // A number that starts nothing: its record was a duplicate.
        if (bridge && stream && this.#mayUse(bridge, stream)) {
          stream.returned.add(stream.next++);
          stream.low = Math.max(0, stream.low - 1);
        }
        return;
      }
      case 'take':
        return this.#take(of(workers, step.which));
      case 'finish':
        return this.#finish(of(workers, step.which), step.which);
      case 'report':
        return this.#report(of(workers, step.which), step.lost);
      case 'deliver':
        return this.#deliver(of(this.messages, step.which), step.twice);
      case 'lose': {
        // A signal is durable once its call has returned; an Update and its answer can be lost at any time.
        const message = of(this.messages, step.which);
        if (message && !('report' in message)) this.messages = this.messages.filter((one) => one !== message);
        return;
      }
      case 'rounds':
        for (let round = 0; round < step.count; round++) {
          this.#round(step.which % (bridges.length + 1));
          this.#pass(2_000);
        }
        return;
      case 'wait':
        return this.#pass(step.ms);
      case 'jump':
        this.#clock += step.ms;
        return;
      case 'killBridge': {
        // What waited in it comes again, elsewhere.
        const bridge = bridges.length > 1 ? of(bridges, step.which) : undefined;
        if (bridge) this.#gone(bridge);
        return;
      }
      case 'killWorker': {
        const worker = of(workers, step.which);
        this.workers = workers.filter((one) => one !== worker);
        this.backlog.push(...(worker?.running ?? []));
        return;
      }
      case 'newBridge':
        if (bridges.length < 4) this.#newBridge();
        return;
      case 'newWorker':
        if (workers.length < 3) this.#newWorker();
        return;
      case 'carry':
        this.state = CapacityState.from(JSON.parse(JSON.stringify(this.state.carry())));
        return;
      case 'terminate':
        this.state = CapacityState.fresh('orders');
        this.#heard.clear();
        this.#twin = CapacityState.fresh('orders');
    }
  }

  /** Everything is well from now on. @returns whether all work is done, and every slot has come back, in time */
  recover(withinMs: number): boolean {
    if (this.workers.length === 0) this.#newWorker();
    const until = this.#t + withinMs;
    while (this.#t < until && !this.#isAtRest) {
      this.#round();
      this.#pass(500);
      for (const worker of this.workers) {
        while (worker.running.length > 0) this.#finish(worker, 0);
        this.#report(worker, false);
      }
      this.#flush();
    }
    return this.#isAtRest;
  }

  get #isAtRest(): boolean {
    const work = this.waiting + this.backlog.length + this.#running;
    return work === 0 && this.state.view(this.#now).inFlight === 0;
  }

  /** Everybody asks, uses, takes and reports; but not the bridge `silent`. */
  #round(silent?: number): void {
    const speaking = this.bridges.filter((_, index) => index !== silent);
    for (const bridge of speaking) this.#ask(bridge);
    this.#flush();
    for (const bridge of speaking) for (let n = 0; n < 20; n++) this.#use(bridge);
    for (const worker of this.workers) {
      for (let n = 0; n < 20; n++) this.#take(worker);
      this.#report(worker, false);
    }
    this.#flush();
  }

  get #running(): number {
    return this.workers.reduce((sum, { running }) => sum + running.length, 0);
  }

  get #streams(): SimStream[] {
    return this.bridges.flatMap(({ streams }) => streams);
  }

  get #now(): number {
    return this.#t + this.#clock;
  }

  #flush(): void {
    while (this.messages.length > 0) this.#deliver(this.messages[0], false);
  }

  /** Nothing is under way for longer than a lease lasts: by then a call has been given up. */
  #pass(ms: number): void {
    this.#t += ms;
    for (const message of this.messages) {
      if ('report' in message && this.#t - message.at > 4_000) this.#deliver(message, false);
    }
    this.messages = this.messages.filter(({ at }) => this.#t - at <= 4_000);
  }

  #ask(bridge: SimBridge | undefined, ends = false): void {
    if (!bridge || (ends && this.bridges.length < 2)) return;
    const isOpen = bridge.circuit === 'open';
    for (const stream of bridge.streams) {
      // What can't be used is given back: when the lease is over, or nothing waits that may pass.
      const useful = isOpen ? stream.high : stream.low + stream.high;
      const keeps = this.#t < bridge.leaseUntil && !ends ? useful : 0;
      stream.upTo = Math.min(stream.upTo, stream.next + keeps);
    }
    bridge.sequence += 1;
    bridge.askedAt = this.#t;
    const request: LeaseRequest = {
      bridge: bridge.id,
      identity: bridge.id,
      name: 'orders',
      sequence: bridge.sequence,
      streams: bridge.streams.map(({ id, classes, next, upTo, low, high, returned }) => ({
        id,
        classes,
        next,
        upTo,
        returned: returned.toString(),
        demand: Math.max(0, low + high - (upTo - next)),
        high: Math.max(0, high - (upTo - next)),
      })),
      caps: { a: CAP },
      options: this.options,
      backlog: { count: this.backlog.length, polled: true },
      settings: null,
      ...(ends ? { ends: true } : {}),
    };
    this.messages.push({ to: 'state', request: structuredClone(request), at: this.#t });
    if (ends) this.#gone(bridge);
  }

  #mayUse(bridge: SimBridge, stream: SimStream): boolean {
    return this.#t < bridge.leaseUntil && stream.next < stream.upTo;
  }

  #use(bridge: SimBridge | undefined): void {
    if (!bridge) return;
    const stream = bridge.streams.find(
      (one) => this.#mayUse(bridge, one) && (one.high > 0 || (one.low > 0 && bridge.circuit !== 'open')),
    );
    if (!stream) return;
    stream[stream.high > 0 ? 'high' : 'low'] -= 1;
    const { id, classes } = stream;
    this.backlog.push({ stream: id, number: stream.next++, classes, takenAt: this.#t });
  }

  #take(worker: SimWorker | undefined): void {
    const record = worker && worker.running.length < 10 ? this.backlog.shift() : undefined;
    if (!worker || !record) return;
    worker.running.push({ ...record, takenAt: this.#t });
    worker.waits.count += 1;
    worker.waits.sumMs += this.#t - record.takenAt + worker.skewMs;
  }

  #finish(worker: SimWorker | undefined, which: number): void {
    if (!worker || worker.running.length === 0) return;
    const [record] = worker.running.splice(which % worker.running.length, 1);
    this.done += 1;
    worker.responses.count += 1;
    worker.responses.sumMs += this.#t - record!.takenAt;
    const released = worker.released.get(record!.stream) ?? new NumberSet();
    released.add(record!.number);
    worker.released.set(record!.stream, released);
  }

  #report(worker: SimWorker | undefined, lost: boolean): void {
    if (!worker) return;
    worker.sequence += 1;
    const running = new Map<string, NumberSet>();
    for (const { stream, number } of worker.running) {
      running.set(stream, running.get(stream) ?? new NumberSet());
      running.get(stream)!.add(number);
    }
    const texts = (sets: Map<string, NumberSet>) =>
      Object.fromEntries([...sets].map(([id, set]) => [id, set.toString()]));
    if (lost) return; // it keeps what it has not told
    const report: WorkerReport = {
      worker: worker.id,
      identity: worker.id,
      sequence: worker.sequence,
      sentAt: this.#now + worker.skewMs,
      responses: { ...worker.responses },
      waits: { ...worker.waits },
      released: texts(worker.released),
      running: texts(running),
      others: 0,
      slots: { total: 10, free: 10 - worker.running.length },
      pressure: [],
    };
    worker.released = new Map();
    this.messages.push({ to: 'state', report, at: this.#t });
  }

  #deliver(message: Message | undefined, twice: boolean): void {
    if (!message) return;
    if (!twice) this.messages = this.messages.filter((one) => one !== message);
    if (message.to === 'bridge') {
      const bridge = this.bridges.find(({ id }) => id === message.bridge);
      if (bridge && message.answer.sequence === bridge.sequence) this.#answered(bridge, message.answer);
      return;
    }
    this.#twin = CapacityState.from(JSON.parse(JSON.stringify(this.#twin.carry())));
    if ('report' in message) {
      this.state.report(message.report, this.#now);
      this.#twin.report(message.report, this.#now);
    } else {
      const before = this.state.view(this.#now).inFlight;
      const answer = this.state.lease(message.request, this.#now);
      same(answer, this.#twin.lease(message.request, this.#now));
      this.#checkLoan(message.request, answer, before);
      this.messages.push({ to: 'bridge', bridge: message.request.bridge, answer, at: this.#t });
    }
    const view = this.state.view(this.#now);
    same(view, this.#twin.view(this.#now));
    this.largestLimit = Math.max(this.largestLimit, view.limit);
  }

  /** Whoever is lent something is lent it within what holds now. */
  #checkLoan({ bridge, sequence, streams }: LeaseRequest, answer: Lease, before: number): void {
    this.largestLimit = Math.max(this.largestLimit, answer.limit);
    // One that comes again is told what was lent before, maybe at another limit.
    if (sequence <= (this.#heard.get(bridge) ?? 0)) {
      if (answer.inFlight !== before) throw new Error(`told again: ${before} lent became ${answer.inFlight}`);
      return;
    }
    this.#heard.set(bridge, sequence);
    const served = streams.filter(({ id, upTo }) => (answer.upTo[id] ?? 0) > upTo);
    if (served.length > 0 && answer.inFlight > answer.limit)
      throw new Error(`${answer.inFlight} lent at a limit of ${answer.limit}`);
    const inClass = this.state.view(this.#now).caps['a']?.inFlight ?? 0;
    if (served.some(({ classes }) => classes.includes('a')) && inClass > CAP)
      throw new Error(`${inClass} lent of a class of ${CAP}`);
  }

  #answered(bridge: SimBridge, answer: Lease): void {
    bridge.circuit = answer.circuit;
    const isValid = answer.forMs > 0 && bridge.askedAt + answer.forMs > this.#t;
    if (isValid) bridge.leaseUntil = Math.max(bridge.leaseUntil, bridge.askedAt + answer.forMs);
    for (const stream of bridge.streams) {
      stream.returned = new NumberSet();
      stream.upTo = isValid ? Math.max(stream.next, answer.upTo[stream.id] ?? 0) : stream.next;
    }
  }

  #gone(bridge: SimBridge): void {
    this.bridges = this.bridges.filter((one) => one !== bridge);
    const heir = this.bridges[0]!;
    for (const [index, { low, high }] of bridge.streams.entries()) {
      heir.streams[index]!.low += low;
      heir.streams[index]!.high += high;
    }
  }

  #newBridge(): void {
    const id = `bridge-${this.#drawn++}`;
    const streams = CLASSES.map((classes, index) => ({
      id: `${id}.${index}`,
      classes,
      next: 0,
      upTo: 0,
      low: 0,
      high: 0,
      returned: new NumberSet(),
    }));
    this.bridges.push({ id, streams, sequence: 0, askedAt: 0, leaseUntil: 0, circuit: 'closed' });
  }

  #newWorker(): void {
    const drawn = this.#drawn++;
    this.workers.push({
      id: `worker-${drawn}`,
      skewMs: ((drawn * 7_919) % 7) * 1_000 - 3_000,
      sequence: 0,
      running: [],
      released: new Map(),
      responses: { count: 0, sumMs: 0 },
      waits: { count: 0, sumMs: 0 },
    });
  }
}

function same(one: unknown, other: unknown): void {
  const [a, b] = [JSON.stringify(one), JSON.stringify(other)];
  if (a !== b) throw new Error(`A continue-as-new has changed an answer: ${a} became ${b}`);
}
