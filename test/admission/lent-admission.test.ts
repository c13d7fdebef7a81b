import { setMaxListeners } from 'node:events';
import test from 'ava';
import fc from 'fast-check';
import {
  QueueAdmission,
  type AcquireOptions,
  type Permit,
  type SlotLending,
} from '../../bridge/admission/admission.js';
import { SlotGate } from '../../bridge/admission/slot-gate.js';
import { turn } from '../helpers/doubles/clock.js';
import { admissionContract, admissionSteps, play } from './admission-contract.js';

/** Lends from a heap of slots. */
class Heap implements SlotLending {
  readonly back: string[] = [];
  settledWeight = 0;
  left: number;
  #next = 0;
  readonly gate = new SlotGate({
    take: ({ classes, weight }) => {
      if (classes.includes('without')) return [];
      if (classes.includes('none') || this.left < weight) return undefined;
      this.left -= weight;
      return Array.from({ length: weight }, () => `b.0:${this.#next++}`);
    },
    giveBack: (slots) => {
      this.back.push(...slots);
      this.left += slots.length;
    },
    wanting: () => undefined,
  });

  constructor(left = Number.POSITIVE_INFINITY) {
    this.left = left;
  }

  classesOf({ route, slotless }: AcquireOptions): readonly string[] | undefined {
    if (slotless === true) return undefined;
    return route === 'r' ? [] : [route];
  }

  settled(weight: number): void {
    this.settledWeight += weight;
  }

  lend(count: number): void {
    this.left += count;
    this.gate.turn();
  }
}

/** With slots for everybody it is an admission like any other. */
admissionContract(test, (limit) => new QueueAdmission(limit, new Heap()));

const { signal } = new AbortController();
setMaxListeners(0, signal); // p-queue listens for each
const ask = (admission: QueueAdmission, options: Partial<AcquireOptions> = {}) => {
  const asked: { permit?: Permit } = {};
  void admission
    .acquire({ weight: 1, priority: 'medium', route: 'r', signal, ...options })
    .then((permit) => (asked.permit = permit));
  return asked;
};

test('it needs room and a slot: a permit says which slots are its own', async (t) => {
  const heap = new Heap(0);
  const admission = new QueueAdmission(2, heap);
  const all = [ask(admission), ask(admission, { weight: 2 }), ask(admission)];
  await turn();
  t.like(admission.state(), { inFlight: 0, waiting: 3 });
  heap.lend(3);
  await turn();
  t.deepEqual(all[0]!.permit?.slots, ['b.0:0']);
  t.is(all[1]!.permit, undefined, 'there are slots, and no room');
  all[0]!.permit!.release('inWork');
  await turn();
  t.deepEqual(all[1]!.permit?.slots, ['b.0:1', 'b.0:2']);
  t.deepEqual(heap.back, []);
});

test('what started nothing gives its slots back; of what is in work only those that did not go along', async (t) => {
  const heap = new Heap(10);
  const admission = new QueueAdmission(10, heap);
  const permits = await Promise.all(
    (['settled', 'returned', 'faulted', 'inWork'] as const).map(async (why) => {
      const permit = await admission.acquire({ weight: 2, priority: 'medium', route: 'r', signal });
      if (why === 'inWork') permit.release(why, permit.slots.slice(1));
      else permit.release(why);
      permit.release('settled');
      return permit;
    }),
  );
  const [a, b, c, d] = permits.map(({ slots }) => slots);
  t.deepEqual([...heap.back].sort(), [...a!, ...b!, ...c!, d![0]!].sort());
});

test('what needs no slot passes where there are none, and what waits for one keeps nobody out', async (t) => {
  const admission = new QueueAdmission(2, new Heap(1));
  const capped = ask(admission, { route: 'none', priority: 'high' });
  const poison = ask(admission, { slotless: true });
  const free = ask(admission);
  await turn();
  t.is(capped.permit, undefined);
  t.deepEqual(poison.permit?.slots, []);
  t.deepEqual(free.permit?.slots, ['b.0:0']);
});

test('one that went without a slot is told when it is back', async (t) => {
  const heap = new Heap(0);
  const permit = await new QueueAdmission(2, heap).acquire({
    weight: 2,
    priority: 'medium',
    route: 'without',
    signal,
  });
  t.is(heap.settledWeight, 0);
  permit.release('inWork');
  permit.release('settled');
  t.is(heap.settledWeight, 2);
});

test('while it is held nobody takes a slot', async (t) => {
  const heap = new Heap(5);
  const admission = new QueueAdmission(5, heap);
  admission.hold('paused');
  const asked = ask(admission);
  await turn();
  t.is(heap.left, 5);
  admission.lift('paused');
  await turn();
  t.truthy(asked.permit);
});

test('over any interleaving no slot is lost: each is with a permit, or was given back', async (t) => {
  await fc.assert(
    fc.asyncProperty(admissionSteps, async (all) => {
      const heap = new Heap(1_000);
      const admission = new QueueAdmission(4, heap);
      await play(admission, all);
      // One that had its slot when the gate was shut in the same turn waits with it: so all are let through first.
      for (const reason of ['a', 'b']) {
        admission.lift(reason);
        admission.lowerFloor(reason);
      }
      admission.setLimit(1_000);
      await turn(3);
      if (admission.state().waiting > 0) throw new Error('with an open gate one still waits');
      // The steps release as `settled` and `returned` only.
      if (1_000 - heap.left !== admission.state().inFlight)
        throw new Error(`${1_000 - heap.left} slots are out, with ${admission.state().inFlight} in flight`);
    }),
    { numRuns: 300 },
  );
  t.pass();
});
