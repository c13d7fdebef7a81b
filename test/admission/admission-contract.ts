import type { TestFn } from 'ava';
import fc from 'fast-check';
import type { AcquireOptions, Admission, Permit } from '../../bridge/admission/admission.js';
import { turn } from '../helpers/doubles/clock.js';

const never = new AbortController().signal;

/** An acquire, and what has become of it by now. */
class Asked {
  permit: Permit | undefined;
  error: unknown;
  readonly abort = new AbortController();

  constructor(admission: Admission, options: Partial<AcquireOptions> = {}, log: Asked[] = []) {
    const asked = {
      weight: 1,
      priority: 'medium',
      route: 'r',
      signal: this.abort.signal,
      ...options,
    } as const;
    admission.acquire(asked).then(
      (permit) => {
        this.permit = permit;
        log.push(this);
      },
      (error: unknown) => (this.error = error),
    );
  }
}

/** What every admission promises. */
export function admissionContract(test: TestFn, create: (limit: number) => Admission): void {
  test('as many are admitted as the limit says, and each release admits the next', async (t) => {
    const admission = create(2);
    const asked = Array.from({ length: 4 }, () => new Asked(admission));
    await turn();
    t.deepEqual(
      asked.map(({ permit }) => permit !== undefined),
      [true, true, false, false],
    );
    t.like(admission.state(), { limit: 2, inFlight: 2, waiting: 2, holds: [] });
    asked[0]!.permit!.release('settled');
    await turn();
    t.truthy(asked[2]!.permit);
    t.is(asked[3]!.permit, undefined);
    asked[1]!.permit!.release('returned');
    asked[2]!.permit!.release('faulted');
    await turn();
    asked[3]!.permit!.release('settled');
    t.like(admission.state(), { inFlight: 0, waiting: 0 });
  });

  test('a permit says what it was asked for', async (t) => {
    const permit = await create(5).acquire({ weight: 3, priority: 'low', route: 'placed', signal: never });
    t.is(permit.weight, 3);
    t.is(permit.route, 'placed');
  });

  test('a heavy permit waits until all of it fits, and nothing behind it slips past', async (t) => {
    const admission = create(10);
    const log: Asked[] = [];
    const first = new Asked(admission, { weight: 6 }, log);
    const heavy = new Asked(admission, { weight: 5 }, log);
    const light = new Asked(admission, { weight: 1 }, log);
    await turn();
    t.deepEqual(log, [first]);
    t.is(admission.state().inFlight, 6);
    first.permit!.release('settled');
    await turn();
    t.deepEqual(log, [first, heavy, light]);
    t.is(admission.state().inFlight, 6);
  });

  test('a permit heavier than the limit passes alone, or it never would', async (t) => {
    const admission = create(3);
    const light = new Asked(admission);
    const heavy = new Asked(admission, { weight: 100 });
    const behind = new Asked(admission);
    await turn();
    t.is(heavy.permit, undefined);
    light.permit!.release('settled');
    await turn();
    t.truthy(heavy.permit);
    t.is(behind.permit, undefined);
    t.is(admission.state().inFlight, 100);
    heavy.permit!.release('settled');
    await turn();
    t.truthy(behind.permit);
  });

  test('by priority first, then in the order of asking', async (t) => {
    const admission = create(1);
    const holder = new Asked(admission);
    await turn();
    const log: Asked[] = [];
    const ask = (priority: 'high' | 'medium' | 'low') => new Asked(admission, { priority }, log);
    const [low, medium, high, low2, high2, medium2] = [
      ask('low'),
      ask('medium'),
      ask('high'),
      ask('low'),
      ask('high'),
      ask('medium'),
    ];
    holder.permit!.release('settled');
    for (let round = 0; round < 6; round++) {
      await turn();
      log.at(-1)!.permit!.release('settled');
    }
    const names = new Map([low, medium, high, low2, high2, medium2].map((one, index) => [one, index]));
    t.deepEqual(
      log.map((one) => names.get(one)),
      [2, 4, 1, 5, 0, 3],
    );
  });

  test('a light one of higher priority goes before a heavy one that does not fit yet', async (t) => {
    const admission = create(4);
    const holder = new Asked(admission, { weight: 3 });
    const heavy = new Asked(admission, { weight: 4, priority: 'low' });
    await turn();
    const light = new Asked(admission, { priority: 'high' });
    await turn();
    t.truthy(light.permit);
    t.is(heavy.permit, undefined);
    holder.permit!.release('settled');
    light.permit!.release('settled');
    await turn();
    t.truthy(heavy.permit);
  });

  test('while it is held for any reason nothing is admitted, and all reasons must be lifted', async (t) => {
    const admission = create(5);
    admission.hold('circuit');
    admission.hold('backlog');
    admission.hold('circuit');
    const asked = new Asked(admission);
    await turn();
    t.deepEqual([...admission.state().holds].sort(), ['backlog', 'circuit']);
    admission.lift('circuit');
    admission.lift('unheard of');
    await turn();
    t.is(asked.permit, undefined);
    admission.lift('backlog');
    await turn();
    t.truthy(asked.permit);
    t.deepEqual(admission.state().holds, []);
  });

  test('below a floor nothing is admitted, also of what waits already; what lies above it goes past', async (t) => {
    const admission = create(2);
    const holder = new Asked(admission);
    const holder2 = new Asked(admission);
    await turn();
    const log: Asked[] = [];
    const low = new Asked(admission, { priority: 'low' }, log);
    admission.raiseFloor('pressure', 'medium');
    const medium = new Asked(admission, {}, log);
    const low2 = new Asked(admission, { priority: 'low' }, log);
    admission.raiseFloor('overload', 'high');
    t.deepEqual([...admission.state().floors].sort(), ['overload', 'pressure']);
    t.deepEqual(admission.state().holds, []);
    holder.permit!.release('settled');
    holder2.permit!.release('settled');
    const high = new Asked(admission, { priority: 'high' }, log);
    await turn();
    t.deepEqual(log, [high]);
    admission.lowerFloor('overload');
    await turn();
    t.deepEqual(log, [high, medium]);
    high.permit!.release('settled');
    medium.permit!.release('settled');
    await turn();
    t.like(admission.state(), { inFlight: 0, waiting: 2 });
    admission.lowerFloor('pressure');
    await turn();
    t.deepEqual(log, [high, medium, low, low2]);
  });

  test('what is in flight stays so while it is held, and its release admits nobody', async (t) => {
    const admission = create(1);
    const first = new Asked(admission);
    await turn();
    const second = new Asked(admission);
    admission.hold('operator');
    first.permit!.release('settled');
    await turn();
    t.like(admission.state(), { inFlight: 0, waiting: 1 });
    t.is(second.permit, undefined);
    admission.lift('operator');
    await turn();
    t.truthy(second.permit);
  });

  test('released twice counts once', async (t) => {
    const admission = create(2);
    const first = new Asked(admission);
    const second = new Asked(admission);
    await turn();
    first.permit!.release('settled');
    first.permit!.release('returned');
    first.permit!.release('settled');
    t.is(admission.state().inFlight, 1);
    second.permit!.release('settled');
    t.is(admission.state().inFlight, 0);
  });

  test('an acquire that waits ends with the signal, also while held, and takes no room', async (t) => {
    const admission = create(1);
    const holder = new Asked(admission);
    await turn();
    const waiting = new Asked(admission);
    const behind = new Asked(admission);
    waiting.abort.abort(new Error('lost'));
    await turn();
    t.is((waiting.error as Error).message, 'lost');
    t.is(admission.state().waiting, 1);
    admission.hold('circuit');
    const held = new Asked(admission);
    await turn();
    held.abort.abort(new Error('lost as well'));
    await turn();
    t.is((held.error as Error).message, 'lost as well');
    admission.lift('circuit');
    holder.permit!.release('settled');
    await turn();
    t.truthy(behind.permit);
    t.like(admission.state(), { inFlight: 1, waiting: 0 });
  });

  test('when a heavy one gives up, the light one behind it goes on', async (t) => {
    const admission = create(4);
    new Asked(admission, { weight: 3 });
    const heavy = new Asked(admission, { weight: 4 });
    const light = new Asked(admission);
    await turn();
    t.is(light.permit, undefined);
    heavy.abort.abort();
    await turn();
    t.truthy(light.permit);
    t.is(admission.state().inFlight, 4);
  });

  test('a signal that has fired is refused at once, and one that fires later changes nothing', async (t) => {
    const admission = create(1);
    await t.throwsAsync(
      admission.acquire({
        weight: 1,
        priority: 'high',
        route: '',
        signal: AbortSignal.abort(new Error('gone')),
      }),
      { message: 'gone' },
    );
    t.like(admission.state(), { inFlight: 0, waiting: 0 });
    const asked = new Asked(admission);
    await turn();
    asked.abort.abort();
    await turn();
    t.is(asked.error, undefined);
    t.is(admission.state().inFlight, 1);
    asked.permit!.release('returned');
    t.is(admission.state().inFlight, 0);
  });

  test('a raised limit admits at once, and a lowered one waits until enough has come back', async (t) => {
    const admission = create(1);
    const asked = Array.from({ length: 5 }, () => new Asked(admission));
    await turn();
    admission.setLimit(4);
    await turn();
    t.is(asked.filter(({ permit }) => permit).length, 4);
    admission.setLimit(2);
    t.like(admission.state(), { limit: 2, inFlight: 4, waiting: 1 });
    for (const index of [0, 1]) asked[index]!.permit!.release('settled');
    await turn();
    t.is(asked[4]!.permit, undefined);
    asked[2]!.permit!.release('settled');
    await turn();
    t.truthy(asked[4]!.permit);
  });

  test('a limit is a whole number of at least 1', (t) => {
    for (const limit of [0, -1, 1.5, Number.NaN, Infinity]) {
      t.throws(() => create(limit), { instanceOf: RangeError });
      const admission = create(1);
      t.throws(() => admission.setLimit(limit), { instanceOf: RangeError });
      t.is(admission.state().limit, 1);
    }
  });

  test('over any interleaving: never over the limit, and nobody waits while there is room', async (t) => {
    await fc.assert(
      fc.asyncProperty(admissionSteps, (all) => play(create(4), all)),
      { numRuns: 1_000 },
    );
    t.pass();
  });
}

/** In the order in which a waiting one goes on. */
const PRIORITIES = ['high', 'medium', 'low'] as const;

type Step =
  | { readonly do: 'acquire'; readonly weight: number; readonly priority: (typeof PRIORITIES)[number] }
  | { readonly do: 'release' | 'abort'; readonly which: number }
  | { readonly do: 'limit'; readonly limit: number }
  | { readonly do: 'hold' | 'lift' | 'lower'; readonly reason: string }
  | { readonly do: 'raise'; readonly reason: string; readonly priority: (typeof PRIORITIES)[number] };

/** Each with whether the next step comes in the same turn. */
export const admissionSteps: fc.Arbitrary<readonly { readonly step: Step; readonly rest: boolean }[]> =
  fc.array(
    fc.record({
      step: fc.oneof(
        {
          weight: 5,
          arbitrary: fc.record({
            do: fc.constant('acquire' as const),
            weight: fc.integer({ min: 1, max: 6 }),
            priority: fc.constantFrom(...PRIORITIES),
          }),
        },
        { weight: 5, arbitrary: fc.record({ do: fc.constant('release' as const), which: fc.nat(20) }) },
        { weight: 2, arbitrary: fc.record({ do: fc.constant('abort' as const), which: fc.nat(20) }) },
        {
          weight: 1,
          arbitrary: fc.record({ do: fc.constant('limit' as const), limit: fc.integer({ min: 1, max: 8 }) }),
        },
        {
          weight: 3,
          arbitrary: fc.record({
            do: fc.constantFrom('hold' as const, 'lift' as const, 'lower' as const),
            reason: fc.constantFrom('a', 'b'),
          }),
        },
        {
          weight: 2,
          arbitrary: fc.record({
            do: fc.constant('raise' as const),
            reason: fc.constantFrom('a', 'b'),
            priority: fc.constantFrom(...PRIORITIES),
          }),
        },
      ),
      rest: fc.boolean(),
    }),
    { maxLength: 60 },
  );

interface Ticket extends Asked {
  readonly weight: number;
  readonly rank: number;
}

/** @throws where a promise is broken */
export async function play(
  admission: Admission,
  all: readonly { readonly step: Step; readonly rest: boolean }[],
): Promise<void> {
  const waiting: Ticket[] = [];
  const inFlight: Ticket[] = [];
  const admitted: Asked[] = [];
  const holds = new Set<string>();
  const floors = new Map<string, number>();
  let lowestFloor: number = PRIORITIES.length;
  let limit = 4;
  const settle = async (): Promise<readonly Ticket[]> => {
    await turn();
    const gone = admitted.splice(0) as Ticket[];
    for (const ticket of gone) {
      waiting.splice(waiting.indexOf(ticket), 1);
      inFlight.push(ticket);
    }
    return gone;
  };
  const weightOf = (tickets: readonly Ticket[]): number =>
    tickets.reduce((sum, { weight }) => sum + weight, 0);
  let before = 0;
  let highestLimit = limit;
  for (const { step, rest } of all) {
    if (step.do === 'acquire') {
      const ticket = new Asked(admission, step, admitted);
      waiting.push(Object.assign(ticket, { weight: step.weight, rank: PRIORITIES.indexOf(step.priority) }));
    } else if (step.do === 'release' && inFlight.length > 0) {
      const [ticket] = inFlight.splice(step.which % inFlight.length, 1);
      ticket!.permit!.release('settled');
      if (step.which % 3 === 0) ticket!.permit!.release('returned');
    } else if (step.do === 'abort' && waiting.length > 0) {
      const ticket = waiting[step.which % waiting.length]!;
      // In this very turn it may have been admitted: then it stays so.
      ticket.abort.abort();
    } else if (step.do === 'limit') {
      limit = step.limit;
      highestLimit = Math.max(highestLimit, limit);
      admission.setLimit(limit);
    } else if (step.do === 'hold') {
      holds.add(step.reason);
      admission.hold(step.reason);
    } else if (step.do === 'lift') {
      holds.delete(step.reason);
      admission.lift(step.reason);
    } else if (step.do === 'raise') {
      floors.set(step.reason, PRIORITIES.indexOf(step.priority));
      admission.raiseFloor(step.reason, step.priority);
    } else if (step.do === 'lower') {
      floors.delete(step.reason);
      admission.lowerFloor(step.reason);
    }
    const floor = Math.min(PRIORITIES.length, ...floors.values());
    lowestFloor = Math.max(lowestFloor, floor); // it may have passed before the floor rose, in this very turn
    if (rest) continue;
    for (const { rank } of await settle())
      if (rank > lowestFloor) throw new Error(`one of rank ${rank} went below the floor`);
    lowestFloor = floor;
    for (const ticket of waiting.filter(({ error }) => error !== undefined))
      waiting.splice(waiting.indexOf(ticket), 1);
    const now = weightOf(inFlight);
    const state = admission.state();
    if (state.inFlight !== now) throw new Error(`it counts ${state.inFlight} in flight, and ${now} are`);
    if (state.waiting !== waiting.length)
      throw new Error(`it counts ${state.waiting} waiting, and ${waiting.length} are`);
    if (now > before && now > highestLimit && inFlight.length > 1)
      throw new Error(`${now} in flight with a limit of ${highestLimit}`);
    const first = [...waiting].sort((a, b) => a.rank - b.rank)[0];
    if (first && holds.size === 0 && first.rank <= floor && (now === 0 || now + first.weight <= limit)) {
      throw new Error(`${first.weight} waits, though ${now} of ${limit} are in flight`);
    }
    before = now;
    highestLimit = limit;
  }
}
