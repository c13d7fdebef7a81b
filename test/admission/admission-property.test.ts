import test from 'ava';
import fc from 'fast-check';
import type { AcquireOptions, Admission, AdmissionState, Permit } from '../../bridge/admission/admission.js';
import type { Priority } from '../../bridge/config/types.js';
import { QueueAdmission } from '../../bridge/admission/admission.js';
import { admissionSteps, play } from './admission-contract.js';

/** Passes everything on; the planted bugs change one thing each. */
class Wrapped implements Admission {
  protected readonly inner = new QueueAdmission(4);

  acquire(options: AcquireOptions): Promise<Permit> {
    return this.inner.acquire(options);
  }
  setLimit(limit: number): void {
    this.inner.setLimit(limit);
  }
  hold(reason: string): void {
    this.inner.hold(reason);
  }
  lift(reason: string): void {
    this.inner.lift(reason);
  }
  raiseFloor(reason: string, priority: Priority): void {
    this.inner.raiseFloor(reason, priority);
  }
  lowerFloor(reason: string): void {
    this.inner.lowerFloor(reason);
  }
  state(): AdmissionState {
    return this.inner.state();
  }
}

/** Lets one pass while there is any room, whatever it weighs. */
class Overfull extends Wrapped {
  #extra = 0;
  override async acquire(options: AcquireOptions): Promise<Permit> {
    const permit = await this.inner.acquire({ ...options, weight: 1 });
    const extra = options.weight - 1;
    this.#extra += extra;
    return {
      ...permit,
      release: (why) => {
        this.#extra -= extra;
        permit.release(why);
      },
    };
  }
  override state(): AdmissionState {
    const state = super.state();
    return { ...state, inFlight: state.inFlight + this.#extra };
  }
}

/** Lifts a hold, but wakes nobody before the next one asks. */
class Deaf extends Wrapped {
  #lifted: string[] = [];
  override acquire(options: AcquireOptions): Promise<Permit> {
    for (const reason of this.#lifted.splice(0)) this.inner.lift(reason);
    return this.inner.acquire(options);
  }
  override lift(reason: string): void {
    this.#lifted.push(reason);
  }
  override hold(reason: string): void {
    this.#lifted = this.#lifted.filter((one) => one !== reason);
    this.inner.hold(reason);
  }
}

/** Holds everybody for what holds low priorities only. */
class Coarse extends Wrapped {
  override raiseFloor(reason: string): void {
    this.inner.hold(reason);
  }
  override lowerFloor(reason: string): void {
    this.inner.lift(reason);
  }
}

/** Looks at the floor when somebody asks, and not afterwards. */
class Late extends Wrapped {
  readonly #floors = new Map<string, Priority>();
  override async acquire(options: AcquireOptions): Promise<Permit> {
    for (const [reason, priority] of this.#floors) this.inner.raiseFloor(reason, priority);
    return this.inner.acquire(options);
  }
  override raiseFloor(reason: string, priority: Priority): void {
    this.#floors.set(reason, priority);
  }
  override lowerFloor(reason: string): void {
    this.#floors.delete(reason);
    this.inner.lowerFloor(reason);
  }
}

/** Loses the room of a permit whose acquire gave up in the same turn. */
class Leaky extends Wrapped {
  override async acquire(options: AcquireOptions): Promise<Permit> {
    const permit = await this.inner.acquire({ ...options, signal: new AbortController().signal });
    options.signal.throwIfAborted();
    return permit;
  }
}

const planted: Readonly<Record<string, () => Admission>> = {
  'room for one is room for all': () => new Overfull(),
  'a lifted hold wakes nobody': () => new Deaf(),
  'what holds low priority holds all': () => new Coarse(),
  'a floor counts for who comes later only': () => new Late(),
  'an aborted acquire keeps its room': () => new Leaky(),
};

for (const [bug, create] of Object.entries(planted)) {
  test(`the property finds a planted bug: ${bug}`, async (t) => {
    const result = await fc.check(
      fc.asyncProperty(admissionSteps, (all) => play(create(), all)),
      { numRuns: 10_000 },
    );
    t.true(result.failed);
  });
}

test('the same harness finds nothing without one', async (t) => {
  const result = await fc.check(
    fc.asyncProperty(admissionSteps, (all) => play(new Wrapped(), all)),
    { numRuns: 100 },
  );
  t.false(result.failed, result.failed ? String(result.errorInstance) : '');
});
