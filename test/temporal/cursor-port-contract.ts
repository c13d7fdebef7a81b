import type { TestFn } from 'ava';
import type { CursorPort } from '../../bridge/temporal/cursor-port.js';

/** What every cursor port promises: run against the real server and against the double. `open` gives ports of one subscription each. */
export function cursorPortContract(test: TestFn, open: () => Promise<readonly CursorPort[]>): void {
  test('before anything is kept nothing comes back', async (t) => {
    const [port] = await open();
    t.is(await port!.read(), undefined);
  });

  test('what was kept comes back, whoever asks', async (t) => {
    const [one, other] = await open();
    const kept = { v: 1, until: { 'orders:paid': 1_700_000_000_123 }, published: [['run', 'ö "x"', 3]] };
    await one!.update(() => kept);
    t.deepEqual(await one!.read(), kept);
    t.deepEqual(await other!.read(), kept);
  });

  test('a change begins with what is kept', async (t) => {
    const [one, other] = await open();
    const add = (kept: unknown) => ((kept as number | undefined) ?? 0) + 1;
    await one!.update(add);
    await other!.update(add);
    await one!.update(add);
    t.is(await other!.read(), 3);
  });

  test('of two changes at the same time one may be without effect, and none is torn', async (t) => {
    const [one, other] = await open();
    await Promise.all([one!.update(() => ['one']), other!.update(() => ['other'])]);
    t.regex(JSON.stringify(await one!.read()), /^\["(?:one|other)"\]$/);
    t.deepEqual(await other!.read(), await one!.read());
    await one!.update((kept) => [...(kept as string[]), 'later']);
    t.is(((await other!.read()) as string[]).at(-1), 'later');
  });

  test('a thousand runs are kept', async (t) => {
    const [port] = await open();
    const runs = Array.from({ length: 1000 }, (_, index) => [
      `0195a5a0-0000-7000-8000-${String(index).padStart(12, '0')}`,
      'orders:order.placed',
      1_700_000_000_000 + index,
    ]);
    await port!.update(() => runs);
    t.deepEqual(await port!.read(), runs);
  });
}
