import { spawn } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import fc from 'fast-check';
import { BridgeError } from '../../bridge/errors.js';
import { openSpillFile, SpillFile } from '../../bridge/producer/spill-file.js';
import type { SpilledRecord } from '../../bridge/producer/spill-frames.js';
import { MemoryDisk } from '../helpers/doubles/memory-disk.js';
import { SILENT_LOGGER } from './dispatcher-harness.js';

const record = (order: number, more: Partial<SpilledRecord> = {}): SpilledRecord => ({
  order,
  topic: 't',
  partition: 0,
  timestampMs: 1_700_000_000_000 + order,
  body: Buffer.from(`body ${order}`),
  ...more,
});

async function spillOn(disk: MemoryDisk, maxBytes = 1_000_000): Promise<SpillFile> {
  const spill = new SpillFile(disk, maxBytes, SILENT_LOGGER, async () => undefined);
  await spill.recover();
  return spill;
}

const orders = async (spill: SpillFile, key = 't/0'): Promise<number[]> =>
  (await spill.load(key, 1_000)).map(({ order }) => order);

function folder(t: { teardown(fn: () => void): void }): string {
  const dir = mkdtempSync(join(tmpdir(), 'ktb-spill-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('what was appended is there after a crash, as it was and in order, by partition', async (t) => {
  const disk = new MemoryDisk();
  const spill = await spillOn(disk);
  const odd = record(3, { topic: 'ü'.repeat(20), partition: undefined, body: Buffer.alloc(0) });
  await Promise.all([
    spill.append([record(1), record(2)]),
    spill.append([odd]),
    spill.append([record(4, { partition: 1 })]),
  ]);
  const after = await spillOn(new MemoryDisk(disk.durable));
  t.deepEqual(await after.load('t/0', 10), [record(1), record(2)]);
  t.deepEqual(await after.load(`${'ü'.repeat(20)}/?`, 10), [odd]);
  t.deepEqual(await orders(after, 't/1'), [4]);
  t.is(after.lastOrder, 4);
});

test('a record that comes late, since it was under way, is read in its order', async (t) => {
  const disk = new MemoryDisk();
  const spill = await spillOn(disk);
  await spill.append([record(5), record(7)]);
  await spill.append([record(3)]);
  t.deepEqual(await orders(spill), [3, 5, 7]);
  t.is(spill.first('t/0'), 3);
  t.deepEqual(await orders(await spillOn(new MemoryDisk(disk.durable))), [3, 5, 7]);
});

test('what is done does not come again, and when all is done nothing is left', async (t) => {
  const disk = new MemoryDisk();
  const spill = await spillOn(disk);
  await spill.append([1, 2, 3, 4].map((order) => record(order)));
  spill.done('t/0', 2); // out of turn
  spill.done('t/0', 1);
  await spill.append([record(5)]);
  t.deepEqual(await orders(spill), [3, 4, 5]);
  t.deepEqual(await orders(await spillOn(new MemoryDisk(disk.durable))), [3, 4, 5]);
  for (const order of [3, 4, 5]) spill.done('t/0', order);
  await spill.close();
  t.is(disk.bytes.length, 8);
});

test('torn at every byte of its last record, the file keeps all before it', async (t) => {
  const disk = new MemoryDisk();
  const spill = await spillOn(disk);
  await spill.append([record(1), record(2)]);
  const whole = disk.durable.length;
  await spill.append([record(3)]);
  for (let length = whole; length < disk.durable.length; length++) {
    const torn = new MemoryDisk(disk.durable.subarray(0, length));
    const after = await spillOn(torn);
    t.deepEqual(await orders(after), [1, 2], `cut at ${length}`);
    // And it goes on from there.
    await after.append([record(4)]);
    t.deepEqual(await orders(await spillOn(new MemoryDisk(torn.durable))), [1, 2, 4]);
  }
});

test('any byte of the last record wrong: it is not taken for one', async (t) => {
  const disk = new MemoryDisk();
  const spill = await spillOn(disk);
  await spill.append([record(1)]);
  const whole = disk.durable.length;
  await spill.append([record(2)]);
  for (let at = whole; at < disk.durable.length; at++) {
    const bytes = Buffer.from(disk.durable);
    bytes[at]! ^= 0x41;
    t.deepEqual(await orders(await spillOn(new MemoryDisk(bytes))), [1], `byte ${at}`);
  }
});

test('a write, a sync or a truncation that fails, each in turn: said, and what was said to be there is', async (t) => {
  for (let failing = 1; failing <= 20; failing++) {
    const disk = new MemoryDisk();
    const spill = await spillOn(disk);
    disk.calls = 0;
    disk.failAt = failing;
    const kept: number[] = [];
    for (let order = 1; order <= 6; order++) {
      try {
        await spill.append([record(order)]);
        kept.push(order);
      } catch (error) {
        t.true(error instanceof BridgeError && error.code === 'KTB_SPILL');
        t.regex((error as Error).message, /^Can't write the spill file: EIO/);
      }
    }
    t.deepEqual(await orders(spill), kept, `call ${failing}`);
    t.deepEqual(
      await orders(await spillOn(new MemoryDisk(disk.durable))),
      kept,
      `call ${failing}, after a crash`,
    );
  }
});

test('a full disk at every byte: nothing of what was refused ever comes', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ size: fc.nat(60), room: fc.nat(150) }), { minLength: 1, maxLength: 12 }),
      async (list) => {
        const disk = new MemoryDisk();
        const spill = await spillOn(disk);
        const kept: number[] = [];
        for (const [index, { size, room }] of list.entries()) {
          disk.room = disk.bytes.length + room;
          const one = record(index + 1, { body: Buffer.alloc(size, index) });
          await spill.append([one]).then(
            () => kept.push(one.order),
            () => undefined,
          );
        }
        t.deepEqual(await orders(spill), kept);
        t.deepEqual(await orders(await spillOn(new MemoryDisk(disk.bytes))), kept);
        t.deepEqual(await orders(await spillOn(new MemoryDisk(disk.durable))), kept);
      },
    ),
    { numRuns: 300 },
  );
});

test('it grows no larger than it may, and says that it is full', async (t) => {
  const disk = new MemoryDisk();
  const spill = await spillOn(disk, 1_000);
  let refused: unknown;
  for (let order = 1; order < 100; order++)
    await spill.append([record(order)]).catch((error: unknown) => (refused = error));
  t.regex((refused as Error).message, /^The spill file is full: \d+ of 1000 bytes$/);
  const { records } = spill;
  for (let order = 1; order <= records; order++) {
    spill.done('t/0', order);
    await new Promise((resolve) => setImmediate(resolve));
    t.true(disk.bytes.length <= 1_000);
  }
  await spill.append([record(200)]);
  t.deepEqual(await orders(spill), [200]);
});

test('another file under its name is left alone', async (t) => {
  await t.throwsAsync(spillOn(new MemoryDisk(Buffer.from('not a spill file'))), {
    code: 'KTB_SPILL',
    message: 'Expected a spill file of this version, got another file',
  });
});

test('on a real disk of one megabyte that is full: said, and the rest is intact', async (t) => {
  const dir = folder(t);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir], { stdio: 'ignore' });
  } catch {
    t.pass('nothing can be mounted here');
    return;
  }
  t.teardown(() => execFileSync('umount', ['-l', dir]));
  const options = { dir, maxBytes: 100_000_000 };
  const spill = await openSpillFile(options, SILENT_LOGGER);
  const kept: number[] = [];
  let refused: unknown;
  for (let order = 1; order < 100; order++) {
    const one = record(order, { body: Buffer.alloc(50_000, order) });
    await spill.append([one]).then(
      () => kept.push(order),
      (error: unknown) => (refused = error),
    );
  }
  t.regex((refused as Error).message, /ENOSPC/);
  t.true(kept.length > 10);
  await spill.close();
  const after = await openSpillFile(options, SILENT_LOGGER);
  t.deepEqual(await orders(after), kept);
  await after.close();
});

test('a second producer on the same folder is refused, and one after the first is not', async (t) => {
  const options = { dir: folder(t), maxBytes: 1_000_000 };
  const first = await openSpillFile(options, SILENT_LOGGER);
  await t.throwsAsync(openSpillFile(options, SILENT_LOGGER), {
    code: 'KTB_SPILL',
    message: /^Expected `producer\.spill\.dir` to be a folder of this producer alone/,
  });
  await first.close();
  await (await openSpillFile(options, SILENT_LOGGER)).close();
});

test('killed while it writes: what it said to be there is, and the lock is free', async (t) => {
  t.timeout(120_000);
  const options = { dir: folder(t), maxBytes: 100_000_000 };
  let said = 0;
  for (let round = 0; round < 3; round++) {
    const writer = spawn(
      process.execPath,
      ['--import=tsx', 'test/producer/spill-writer.ts', options.dir, String(said + 1)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const began = said;
    for await (const line of createInterface({ input: writer.stdout })) {
      said = Number(line);
      if (said >= began + 20 + 7 * round) writer.kill('SIGKILL');
    }
    const spill = await openSpillFile(options, SILENT_LOGGER);
    const there = await orders(spill);
    t.deepEqual(
      there.slice(0, said),
      Array.from({ length: said }, (_, index) => index + 1),
    );
    said = spill.lastOrder;
    await spill.close();
  }
});
