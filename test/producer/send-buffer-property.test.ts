/** Who has a place, against a model that keeps plain lists: rules word by word, whatever comes. */
import test from 'ava';
import fc from 'fast-check';
import type { Priority } from '../../bridge/config/types.js';
import type { Outgoing } from '../../bridge/producer/outgoing.js';
import { SendBuffer } from '../../bridge/producer/send-buffer.js';

const LIMITS = { records: 5, bytes: 100 };
const RANK: Readonly<Record<Priority, number>> = { low: 0, medium: 1, high: 2 };

const record = (order: number, priority: Priority, bytes: number): Outgoing => ({
  order,
  topic: 't',
  partition: 0,
  body: Buffer.alloc(0),
  bytes,
  priority,
  timestampMs: 0,
  acceptedAtMs: 0,
  deadlineMs: 0,
  ending: { delivered: () => undefined, failed: () => undefined },
  waits: false,
  spilledAs: undefined,
  finished: false,
  deadLetterOf: undefined,
});

/** The same, slowly. */
class Model {
  held: Outgoing[] = [];
  pinned = new Set<Outgoing>();
  line: Outgoing[] = [];

  fits(bytes: number, held = this.held): boolean {
    const sum = held.reduce((total, one) => total + one.bytes, 0);
    return held.length === 0 || (held.length < LIMITS.records && sum + bytes <= LIMITS.bytes);
  }

  admit(one: Outgoing): { readonly verdict: string; readonly dropped: readonly Outgoing[] } {
    if (this.fits(one.bytes) && (this.line.length === 0 || one.priority === 'high')) {
      this.held.push(one);
      return { verdict: 'taken', dropped: [] };
    }
    if (one.priority === 'low') return { verdict: 'refused', dropped: [] };
    if (one.priority === 'high') {
      const candidates = this.held
        .filter((each) => !this.pinned.has(each))
        .sort((a, b) => RANK[a.priority] - RANK[b.priority] || a.order - b.order);
      for (let count = 1; count <= candidates.length; count++) {
        const dropped = candidates.slice(0, count);
        const left = this.held.filter((each) => !dropped.includes(each));
        if (!this.fits(one.bytes, left)) continue;
        this.held = [...left, one];
        return { verdict: 'taken', dropped };
      }
    }
    const waiting = this.line.reduce((total, each) => total + each.bytes, 0);
    const full = this.line.length >= LIMITS.records || waiting + one.bytes > LIMITS.bytes;
    if (full && this.line.length > 0) return { verdict: 'refused', dropped: [] };
    this.line.push(one);
    return { verdict: 'waits', dropped: [] };
  }

  letIn(): Outgoing[] {
    const entered: Outgoing[] = [];
    while (this.line.length > 0 && this.fits(this.line[0]!.bytes)) {
      const one = this.line.shift()!;
      this.held.push(one);
      entered.push(one);
    }
    return entered;
  }
}

const aStep = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('admit' as const),
      priority: fc.constantFrom<Priority>('high', 'medium', 'low'),
      bytes: fc.integer({ min: 1, max: 60 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('pin' as const, 'release' as const, 'leave' as const),
      index: fc.nat(4),
    }),
  },
);

test('the buffer holds, drops, refuses and lets in as its rules say', (t) => {
  fc.assert(
    fc.property(fc.array(aStep, { maxLength: 60 }), (steps) => {
      const buffer = new SendBuffer(LIMITS);
      const model = new Model();
      for (const [order, step] of steps.entries()) {
        if (step.do === 'admit') {
          const one = record(order, step.priority, step.bytes);
          const expected = model.admit(one);
          t.deepEqual(buffer.admit(one), expected as ReturnType<SendBuffer['admit']>);
          t.is(one.waits, expected.verdict === 'waits');
        } else if (step.do === 'leave') {
          const one = model.line[step.index];
          if (!one) continue;
          model.line.splice(step.index, 1);
          buffer.leaveLine(one);
        } else {
          const one = model.held[step.index];
          if (!one) continue;
          if (step.do === 'pin') {
            model.pinned.add(one);
            buffer.pin(one);
          } else {
            model.held.splice(step.index, 1);
            buffer.release(one);
            t.deepEqual(buffer.letIn(), model.letIn());
          }
        }
        t.is(buffer.records, model.held.length);
        t.is(buffer.next, model.line[0]);
      }
    }),
    { numRuns: 500 },
  );
});
