/**
 * Whatever comes (priorities, a full buffer, lost answers, outages, brokers that forget, a disk that is full or fails,
 * crashes), each record ends in exactly one way, that way is true, and a partition's order holds.
 */
import test from 'ava';
import fc from 'fast-check';
import { SpillFile } from '../../bridge/producer/spill-file.js';
import { fakeClock, type FakeClock } from '../helpers/doubles/clock.js';
import { MemoryDisk } from '../helpers/doubles/memory-disk.js';
import { SenderDouble, type Fault } from '../helpers/doubles/sender-double.js';
import { endingOf, Harness, SILENT_LOGGER, type SendFields, type Sent } from './dispatcher-harness.js';

type Step =
  | ({ readonly do: 'send'; readonly fat: boolean; readonly bad: boolean } & SendFields)
  | { readonly do: 'fault'; readonly fault: Fault }
  | { readonly do: 'once'; readonly fault: Fault }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'disk'; readonly failIn: number }
  | { readonly do: 'room'; readonly bytes: number }
  | { readonly do: 'crash' };

const OPTIONS = {
  buffer: { records: 6, bytes: 2_000 },
  deliveryTimeoutMs: 2_000,
  mediumWaitMs: 300,
  circuit: { failures: 3, halfOpenAfterMs: 700 },
};

const aFault = fc.constantFrom<Fault>(
  'none',
  'none',
  'lost',
  'ack-lost',
  'away',
  'no-leader',
  'moved',
  'forgotten',
);
const aSend = fc.record({
  do: fc.constant('send' as const),
  topic: fc.constantFrom('t', 't', 'u', 'missing'),
  key: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
  priority: fc.constantFrom('high' as const, 'medium' as const, 'low' as const),
  fat: fc.boolean(),
  bad: fc.integer({ min: 0, max: 9 }).map((number) => number === 0),
});
const aStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: aSend },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('fault' as const), fault: aFault }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('once' as const), fault: aFault }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(0, 50, 400, 2_500) }),
  },
);
const aDiskStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('disk' as const), failIn: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('room' as const), bytes: fc.constantFrom(50, 400, Infinity) }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'crash' as const }) },
);
const steps = (withSpill: boolean) =>
  fc.array(
    withSpill ? fc.oneof({ weight: 8, arbitrary: aStep }, { weight: 1, arbitrary: aDiskStep }) : aStep,
    { minLength: 5, maxLength: 60 },
  );

async function spillOn(disk: MemoryDisk): Promise<SpillFile> {
  const spill = new SpillFile(disk, 5_000, SILENT_LOGGER, async () => undefined);
  await spill.recover();
  return spill;
}

class Run {
  readonly kafka = new SenderDouble({ t: 2, u: 1 });
  readonly sent: Sent[] = [];
  readonly crashed = new Set<Sent>();
  /** A broker forgot a sequence, or a process died: what was unknown may stand twice. */
  doubles = false;
  disk = new MemoryDisk();
  harness!: Harness;
  #count = 0;
  readonly #clock: FakeClock;
  readonly #withSpill: boolean;

  constructor(clock: FakeClock, withSpill: boolean) {
    this.#clock = clock;
    this.#withSpill = withSpill;
    this.kafka.refuses = (value, topic) =>
      value.startsWith('bad') && !topic.endsWith('.dlq') ? 'invalid' : undefined;
  }

  async begin(): Promise<void> {
    this.harness = new Harness(
      this.kafka,
      OPTIONS,
      this.#withSpill ? { spill: await spillOn(this.disk) } : {},
    );
  }

  async step(step: Step): Promise<void> {
    switch (step.do) {
      case 'send': {
        const value = `${step.bad ? 'bad' : 'ok'}-${this.#count++}${step.fat ? '-'.repeat(300) : ''}`;
        this.sent.push(this.harness.send(value, step));
        return;
      }
      case 'fault':
        this.doubles ||= step.fault === 'forgotten';
        this.kafka.fault = step.fault;
        return;
      case 'once':
        this.doubles ||= step.fault === 'forgotten';
        this.kafka.faults.push(step.fault);
        return;
      case 'wait':
        return this.#clock.advance(step.ms);
      case 'disk':
        this.disk.failAt = this.disk.calls + step.failIn;
        return;
      case 'room':
        this.disk.room = this.disk.bytes.length + step.bytes;
        return;
      case 'crash':
        return this.#crash();
    }
  }

  /** All that is in memory is gone, and on the disk is what was synced. */
  async #crash(): Promise<void> {
    for (const one of this.sent) if (one.endings.length === 0) this.crashed.add(one);
    for (const one of this.sent) if (endingOf(one) === 'KTB_DELIVERY_UNKNOWN') this.crashed.add(one);
    this.harness.circuit.close();
    const { durable } = this.disk;
    this.harness.dispatcher.end('crash');
    this.doubles = true;
    this.disk = new MemoryDisk(durable);
    // The process that died had batches under way.
    for (const [topic, partitions] of this.kafka.topics)
      for (let partition = 0; partition < partitions; partition++) this.kafka.renew(topic, partition);
    await this.begin();
  }

  /** Everything is well again, for as long as it takes. */
  async heal(): Promise<void> {
    this.kafka.fault = 'none';
    this.kafka.faults.length = 0;
    this.disk.failAt = 0;
    this.disk.room = Infinity;
    await this.#clock.advance(20_000);
  }
}

/** How often a record stands in its topic, and among the dead letters. */
function found(run: Run, { value, topic }: Sent): { readonly log: number; readonly letters: number } {
  const count = (values: readonly string[]): number => values.filter((one) => one === value).length;
  return { log: count(run.kafka.all(topic)), letters: count(run.kafka.all(`${topic}.dlq`)) };
}

const NOWHERE = new Set([
  'old_message_dropped',
  'timeout_drop',
  'low_priority_drop',
  'KTB_CIRCUIT_OPEN',
  'KTB_NOT_DELIVERED',
]);

function check(run: Run, one: Sent): string | undefined {
  const ending = endingOf(one);
  const { log, letters } = found(run, one);
  const said = `${one.value.slice(0, 8)} of ${one.topic}: ${ending}, in the log ${log}, dead letters ${letters}`;
  if (run.crashed.has(one)) return undefined; // nobody was told, or "unknown"; a crash may lose or double it
  if (one.endings.length !== 1) return `${said}: ended ${one.endings.length} times`;
  const total = log + letters;
  const times = run.doubles ? total >= 1 : total === 1;
  if (ending === 'delivered' && log === 1 && letters === 0) return undefined;
  if (NOWHERE.has(ending) && total === 0) return undefined;
  if (ending === 'KTB_DEAD_LETTERED' && log === 0 && letters === 1) return undefined;
  // After a crash what was being sent from the file may have been sent already.
  if ((ending === 'KTB_SPILLED' || ending === 'KTB_DELIVERY_UNKNOWN') && times) return undefined;
  return said;
}

/** By the order of the calls; of what stands twice the first counts. */
function disorder(run: Run): string | undefined {
  const orderOf = new Map(run.sent.map(({ value }, index) => [value, index]));
  for (const [lane, values] of run.kafka.logs) {
    if (lane.includes('.dlq/')) continue;
    const first = [...new Set(values)].map((value) => orderOf.get(value)!);
    for (let index = 1; index < first.length; index++)
      if (first[index]! < first[index - 1]!) return `${lane}: ${first.join(' ')}`;
  }
  return undefined;
}

const runs = Number(process.env['KTB_PROPERTY_RUNS'] ?? 150);

for (const withSpill of [false, true]) {
  test.serial(
    `each record ends in exactly one way, and in order: ${withSpill ? 'with' : 'without'} a spill file`,
    async (t) => {
      t.timeout(600_000);
      await fc.assert(
        fc.asyncProperty(steps(withSpill), async (list) => {
          using clock = fakeClock();
          const run = new Run(clock, withSpill);
          await run.begin();
          for (const step of list) {
            await run.step(step);
            const { records } = run.harness.dispatcher.buffer;
            if (records > 1_200) throw new Error(`${records} records in memory`);
          }
          await run.heal();
          const { busy, buffer } = run.harness.dispatcher;
          if (busy) throw new Error(`busy with ${buffer.records} records`);
          const wrong = [
            ...run.sent.map((one) => check(run, one)),
            disorder(run),
            ...run.kafka.violations,
          ].filter((one) => one !== undefined);
          run.harness.circuit.close();
          if (wrong.length > 0) throw new Error(wrong.join('\n'));
        }),
        { numRuns: runs },
      );
      t.pass();
    },
  );
}
