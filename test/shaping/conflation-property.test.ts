import test from 'ava';
import fc from 'fast-check';
import { turn } from '../helpers/doubles/clock.js';
import { routeOf } from '../helpers/doubles/mapped-records.js';
import { GroupDouble, type MemberDouble } from './group-double.js';

type Step =
  | { readonly do: 'produce'; readonly key: number; readonly count: number }
  | { readonly do: 'poll'; readonly who: number; readonly count: number }
  | { readonly do: 'land' | 'answer' | 'giveBack'; readonly who: number; readonly which: number }
  | { readonly do: 'commit' | 'die'; readonly who: number }
  | { readonly do: 'join' };

const nat = fc.nat(20);
const of = <K extends Step['do']>(...kinds: K[]) => fc.constantFrom(...kinds);

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ do: of('produce'), key: fc.nat(3), count: fc.integer({ min: 1, max: 4 }) }),
    },
    {
      weight: 5,
      arbitrary: fc.record({ do: of('poll'), who: nat, count: fc.integer({ min: 1, max: 6 }) }),
    },
    { weight: 6, arbitrary: fc.record({ do: of('land', 'answer'), who: nat, which: nat }) },
    { weight: 1, arbitrary: fc.record({ do: of('giveBack'), who: nat, which: nat }) },
    { weight: 5, arbitrary: fc.record({ do: of('commit'), who: nat }) },
    { weight: 1, arbitrary: fc.record({ do: of('die'), who: nat }) },
    { weight: 1, arbitrary: fc.record({ do: of('join') }) },
  ),
  { minLength: 20, maxLength: 80 },
);

const ROUTE = routeOf({ conflate: 'latest-by-key', demand: { buffer: 6, step: 2, resumeBelow: 3 } });
const KEYS = ['a', 'b', 'c', null];

/** Temporal, as far as it matters: an ID starts once, whoever asks, and what is started stays started. */
class Starts {
  readonly #all = new Set<bigint>();
  readonly #latest = new Map<string, bigint>();

  has(offset: bigint): boolean {
    return this.#all.has(offset);
  }

  /** @throws where an older state is started after a newer one */
  land(offset: bigint, key: string | undefined): void {
    if (this.#all.has(offset)) return;
    this.#all.add(offset);
    if (key === undefined) return;
    const latest = this.#latest.get(key) ?? -1n;
    if (offset < latest) throw new Error(`${offset} of ${key} is started after ${latest}`);
    this.#latest.set(key, offset);
  }
}

type Held = MemberDouble['delivery']['held'][number];
const keyOf = ({ record }: Held) => record.source.key?.toString();

/** @throws where a promise is broken */
async function play(all: readonly Step[]): Promise<void> {
  const group = new GroupDouble();
  const starts = new Starts();
  const { members } = group;
  group.join(ROUTE, 2);
  /** Calls of which Temporal has got the request. */
  const landed = new Set<Held>();
  const land = (held: Held) => {
    landed.add(held);
    starts.land(held.record.source.offset, keyOf(held));
  };
  for (const step of all) {
    const member = 'who' in step ? members[step.who % members.length]! : members.at(-1)!;
    const { held: calls } = member.delivery;
    const held = 'which' in step && calls.length > 0 ? calls[step.which % calls.length] : undefined;
    switch (step.do) {
      case 'produce':
        for (let count = 0; count < step.count; count++) group.produce(KEYS[step.key]!);
        break;
      case 'poll':
        await member.poll(step.count);
        break;
      case 'land':
        if (held) land(held);
        break;
      case 'answer':
        if (!held) break;
        land(held);
        member.delivery.settle(held);
        break;
      case 'giveBack':
        // While it is alive it gives back only what Temporal has answered, and not taken.
        if (held && !landed.has(held) && !member.isDead) member.delivery.giveBack(held);
        break;
      case 'commit':
        await member.commit();
        break;
      case 'die':
        await member.die();
        break;
      case 'join':
        group.join(ROUTE, 2);
        break;
    }
    await turn(2);
  }
  await finish(group, land);
  judge(group, starts);
}

/** A last owner does everything that is left; the calls of those before it arrive after that. */
async function finish(group: GroupDouble, land: (held: Held) => void): Promise<void> {
  const last = group.join(ROUTE, 2);
  for (let round = 0; round < 300; round++) {
    await last.poll(10);
    for (const held of Array.from(last.delivery.held)) {
      land(held);
      last.delivery.settle(held);
    }
    await last.commit();
    if (group.committed?.position === group.end && last.delivery.held.length === 0) break;
  }
  if (group.end > 0n && group.committed?.position !== group.end)
    throw new Error(`The group stands at ${group.committed?.position} of ${group.end}`);
  // Zombies go on, too, with what they may still begin.
  for (let round = 0; round < 5; round++) {
    for (const member of group.members) {
      for (const held of Array.from(member.delivery.held)) {
        land(held);
        member.delivery.settle(held);
      }
    }
    await turn(2);
  }
  for (const member of group.members) await member.die();
}

/** @throws where something is lost, or a key's latest state is not started */
function judge(group: GroupDouble, starts: Starts): void {
  const conflated = new Set(
    group.members.flatMap(({ settled }) =>
      settled.filter(({ outcome }) => outcome === 'conflated').map(({ offset }) => offset),
    ),
  );
  const latest = new Map<string, bigint>();
  for (const { key, offset } of group.log) {
    if (!starts.has(offset) && !conflated.has(offset)) throw new Error(`${offset} is lost`);
    if (key === null && !starts.has(offset)) throw new Error(`${offset} has no key, and was not started`);
    if (key !== null) latest.set(key.toString(), offset);
  }
  for (const [key, offset] of latest)
    if (!starts.has(offset)) throw new Error(`${offset}, the latest of ${key}, was not started`);
}

test('over crashes, zombies and calls that arrive late: never an older state after a newer one, and the latest is started', async (t) => {
  await fc.assert(fc.asyncProperty(steps, play), { numRuns: 2_000 });
  t.pass();
});
