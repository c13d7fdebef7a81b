import test from 'ava';
import fc from 'fast-check';
import { SlotPool } from '../../bridge/admission/slot-pool.js';
import { parseSlot, type StreamState } from '../../workflows/capacity/contract.js';
import { NumberSet } from '../../workflows/capacity/numbers.js';

const CLASSES: readonly (readonly string[])[] = [[], ['route:s/a'], ['route:s/a', 'type:t']];
const CAPS = new Map([
  ['route:s/a', 30],
  ['type:t', 4],
]);

type Step =
  | { readonly do: 'take'; readonly line: number; readonly count: number; readonly high: boolean }
  | { readonly do: 'back'; readonly which: number }
  | { readonly do: 'ask'; readonly waiting: number; readonly high: number; readonly idle: boolean }
  | {
      readonly do: 'answer';
      readonly more: number;
      readonly limit: number;
      readonly bridges: number;
      readonly open: boolean;
    }
  | { readonly do: 'pass'; readonly ms: number };

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('take' as const),
        line: fc.nat(2),
        count: fc.integer({ min: 1, max: 3 }),
        high: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('back' as const), which: fc.nat(50) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('ask' as const),
        waiting: fc.nat(40),
        high: fc.nat(5),
        idle: fc.boolean(),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('answer' as const),
        more: fc.integer({ min: -5, max: 40 }),
        limit: fc.integer({ min: 1, max: 200 }),
        bridges: fc.integer({ min: 0, max: 4 }),
        open: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('pass' as const),
        ms: fc.constantFrom(10, 700, 4_999, 5_000, 61_000),
      }),
    },
  ),
  { maxLength: 80 },
);

/** @throws where a promise is broken */
function play(all: readonly Step[]): void {
  let now = 0;
  let sequence = 0;
  let asked: { readonly at: number; readonly streams: readonly StreamState[] } | undefined;
  let until = Number.NEGATIVE_INFINITY;
  let [limit, bridges, open] = [Infinity, 1, false];
  /** What may be handed out, by stream: by the last answer, and no more than the last request has kept. */
  const allowed = new Map<string, number>();
  const used = new Set<string>();
  const taken: string[] = [];
  const highest = new Map<string, number>();
  const highAt = new Map<number, number>();
  const pool = new SlotPool({ bridge: 'b', caps: CAPS, now: () => now });
  for (const step of all) {
    if (step.do === 'pass') {
      now += step.ms;
    } else if (step.do === 'take') {
      const { line, count, high } = step;
      if (high) highAt.set(line, now);
      const slots = pool.take(CLASSES[line]!, count, high);
      if (slots === undefined) continue;
      if (slots.length !== count) throw new Error(`${slots.length} slots for ${count}`);
      if (now >= until) throw new Error('handed out after the lease has ended');
      if (!high && open) throw new Error('the circuit is open');
      for (const slot of slots) {
        const { stream, number } = parseSlot(slot)!;
        if (used.has(slot)) throw new Error(`${slot} was handed out twice`);
        if (number >= (allowed.get(stream) ?? 0)) throw new Error(`${slot} was not lent`);
        if (number !== (highest.get(stream) ?? -1) + 1) throw new Error(`${slot} is not the next one`);
        highest.set(stream, number);
        used.add(slot);
        taken.push(slot);
      }
      const { stream, number } = parseSlot(slots.at(-1))!;
      const most = Math.min(limit, ...CLASSES[line]!.map((one) => CAPS.get(one)!));
      const share = most / bridges;
      const left = allowed.get(stream)! - number - 1;
      const recent = now - (highAt.get(line) ?? -Infinity) <= 60_000;
      if (!high && recent && share >= 2 && left < Math.max(1, Math.floor(share / 10)))
        throw new Error(`${left} are left for high priority, of a share of ${share}`);
    } else if (step.do === 'back') {
      if (taken.length > 0) pool.giveBack([taken[step.which % taken.length]!]);
    } else if (step.do === 'ask') {
      const streams = pool.request(
        ++sequence,
        step.idle ? undefined : () => ({ count: step.waiting, high: Math.min(step.waiting, step.high) }),
      );
      asked = { at: now, streams };
      for (const { id, next, upTo, demand, high, returned } of streams) {
        if (next !== (highest.get(id) ?? -1) + 1) throw new Error(`it tells of ${next}`);
        if (upTo < next || demand < 0 || high > demand) throw new Error('it makes no sense');
        if (step.idle && (upTo !== next || demand !== 0)) throw new Error('an idle one keeps nothing');
        if (now >= until && upTo !== next) throw new Error('it keeps what may be lent to others by now');
        if (upTo > Math.max(next, allowed.get(id) ?? 0)) throw new Error('it keeps what it was not lent');
        for (const [from, to] of NumberSet.from(returned).ranges)
          for (let n = from; n <= to; n++)
            if (!used.has(`${id}:${n}`)) throw new Error(`${n} was never used`);
        allowed.set(id, Math.min(allowed.get(id) ?? 0, upTo));
      }
    } else if (asked !== undefined) {
      const upTo = Object.fromEntries(
        asked.streams.map(({ id, upTo: kept }) => [id, Math.max(0, kept + step.more)]),
      );
      [limit, bridges, open] = [step.limit, Math.max(1, step.bridges), step.open];
      pool.granted(
        {
          sequence,
          upTo,
          forMs: 5_000,
          limit,
          inFlight: 0,
          circuit: open ? 'open' : 'closed',
          workers: 1,
          bridges: step.bridges,
          heldBy: [],
          pressure: [],
          settings: { version: 0, limit: null, pauses: {} },
        },
        asked.at,
      );
      until = asked.at + 5_000;
      for (const [id, most] of Object.entries(upTo)) allowed.set(id, most);
      asked = undefined;
    }
  }
}

test('whatever is asked, answered, lost or late: no number twice, none that is not lent, none after the lease, and the last tenth for high priority', (t) => {
  fc.assert(
    fc.property(steps, (all) => play(all)),
    { numRuns: 5_000 },
  );
  t.pass();
});
