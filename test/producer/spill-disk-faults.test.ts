/** What the disk under the spill file may do, seen by who sends: each promise says where the record is, and that is so. */
import test from 'ava';
import { SpillFile } from '../../bridge/producer/spill-file.js';
import { fakeClock, turn, type FakeClock } from '../helpers/doubles/clock.js';
import { MemoryDisk } from '../helpers/doubles/memory-disk.js';
import { SenderDouble } from '../helpers/doubles/sender-double.js';
import { endingOf, Harness, SILENT_LOGGER } from './dispatcher-harness.js';

const CIRCUIT = { failures: 1, halfOpenAfterMs: 500 };

async function harnessOn(disk: MemoryDisk, kafka: SenderDouble): Promise<Harness> {
  const spill = new SpillFile(disk, 1_000_000, SILENT_LOGGER, async () => undefined);
  await spill.recover();
  return new Harness(kafka, { circuit: CIRCUIT, deadLetterSuffix: false }, { spill });
}

/** Six records while Kafka is away; then it is back. @returns what was said to be spilled */
async function outage(clock: FakeClock, disk: MemoryDisk, name: string): Promise<readonly string[]> {
  const kafka = new SenderDouble({ t: 1 });
  const harness = await harnessOn(disk, kafka);
  kafka.fault = 'away';
  for (let index = 0; index < 6; index++) {
    harness.send(`${index}`, { partition: 0 });
    await clock.advance(50);
  }
  await clock.advance(200);
  const spilled: string[] = [];
  for (const { value, endings } of harness.sent) {
    const [ending, ...others] = endings;
    if (!ending || others.length > 0 || !('code' in ending)) throw new Error(`${name}: ${value} ended oddly`);
    if (ending.code === 'KTB_SPILLED') spilled.push(value);
    else if (!/Can't write the spill file: E(?:IO|NOSPC)/.test(ending.message)) throw ending;
  }
  Object.assign(disk, { failAt: 0, room: Infinity });
  kafka.fault = 'none';
  await clock.advance(5_000);
  if (kafka.log('t', 0).join() !== spilled.join())
    throw new Error(`${name}: ${spilled.join()} were spilled, ${kafka.log('t', 0).join()} arrived`);
  harness.circuit.close();
  return spilled;
}

test.serial(
  'a disk that fails at each of its calls in turn: what was not kept is said, the rest arrives',
  async (t) => {
    using clock = fakeClock();
    const kept: number[] = [];
    for (let failing = 1; failing <= 14; failing++) {
      const disk = new MemoryDisk();
      disk.failAt = failing + 2; // behind the two of the empty file
      kept.push((await outage(clock, disk, `call ${failing}`)).length);
    }
    t.true(kept.some((count) => count < 6) && kept.every((count) => count >= 4), kept.join());
  },
);

test.serial(
  'a disk that is full from each byte on: what was not kept is said, the rest arrives',
  async (t) => {
    using clock = fakeClock();
    const whole = new MemoryDisk();
    t.is((await outage(clock, whole, 'whole')).length, 6);
    const counts = new Set<number>();
    for (let room = 8; room < 420; room += 3) {
      const disk = new MemoryDisk();
      disk.room = room;
      counts.add((await outage(clock, disk, `room ${room}`)).length);
    }
    t.deepEqual(
      [...counts].sort((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6],
    );
  },
);

test.serial(
  'torn at every byte of its last record, the next producer sends all before it, and new ones behind them',
  async (t) => {
    using clock = fakeClock();
    const disk = new MemoryDisk();
    const away = new SenderDouble({ t: 1 });
    away.fault = 'away';
    const before = await harnessOn(disk, away);
    for (const value of ['a', 'b']) before.send(value, { partition: 0 });
    await clock.advance(200);
    const whole = disk.durable.length;
    before.send('torn', { partition: 0 });
    await clock.advance(200);
    t.true(before.sent.every((one) => endingOf(one) === 'KTB_SPILLED'));
    before.circuit.close();
    const { durable } = disk;
    t.true(durable.length > whole + 20);
    for (let length = whole; length < durable.length; length++) {
      const kafka = new SenderDouble({ t: 1 });
      const after = await harnessOn(new MemoryDisk(durable.subarray(0, length)), kafka);
      after.send('new', { partition: 0 });
      await clock.advance(500);
      t.deepEqual(kafka.log('t', 0), ['a', 'b', 'new'], `cut at ${length}`);
      after.circuit.close();
    }
    await turn();
  },
);
