import { setTimeout as pause } from 'node:timers/promises';
import { rssBytes } from '../process.js';
import { createScene, keyed } from '../scene.js';
import type { TestStack } from '../../helpers/stack.js';
import { until } from '../../helpers/until.js';

export interface MemoryOptions {
  /** @default the shared stack */
  readonly stack?: TestStack;
  readonly records: number;
  readonly valueBytes: number;
  readonly partitions: number;
  /** @default the product's, 1,000 */
  readonly maxBacklog?: number;
  /** For how long it is watched once it is held. @default 20_000 */
  readonly watchMs?: number;
}

export interface MemoryReport extends Omit<MemoryOptions, 'stack'> {
  readonly idleMb: number;
  readonly maxMb: number;
  readonly growthMb: number;
  /** What the bridge had started when it was held. */
  readonly started: number;
}

const MB = 1024 * 1024;

/** A backlog and no worker: what the bridge holds is bounded, whatever the backlog. RSS as /proc says. */
export async function memoryUnderBacklog(options: MemoryOptions): Promise<MemoryReport> {
  const { records, valueBytes, partitions, watchMs = 20_000 } = options;
  const config =
    options.maxBacklog === undefined
      ? {}
      : { config: `capacity: { limit: 'off' }, maxBacklog: ${options.maxBacklog},` };
  await using scene = await createScene({
    partitions,
    ...config,
    ...(options.stack === undefined ? {} : { stack: options.stack }),
  });
  const bridge = scene.bridge();
  await bridge.waitForOutput(/joined the group/, 120_000);
  const idle = await settledRss(bridge.pid);

  let max = 0;
  const watching = new AbortController();
  const watch = (async () => {
    while (!watching.signal.aborted) {
      max = Math.max(max, rssBytes(bridge.pid));
      await pause(100);
    }
  })();
  const padding = 'x'.repeat(Math.max(0, valueBytes - 30));
  const batch = Math.max(1, Math.min(10_000, Math.floor(20_000_000 / valueBytes)));
  for (let from = 0; from < records; from += batch) {
    const count = Math.min(batch, records - from);
    await scene.produce(
      Array.from({ length: count }, (_, index) => {
        const n = from + index;
        return { ...keyed(`k${n}`, {}, n % partitions), value: JSON.stringify({ n, padding }) };
      }),
    );
  }
  await bridge.waitForOutput(/"gates":\["backlog"\]/, 300_000);
  const held = performance.now();
  await until(() => performance.now() - held, {
    what: 'it to be watched',
    timeoutMs: watchMs + 60_000,
    accept: (ms) => ms >= watchMs,
  });
  watching.abort();
  await watch;
  const counts = [...bridge.stderr.matchAll(/"outcomes":\{"started":(\d+)/g)].at(-1)?.[1];
  return {
    records,
    valueBytes,
    partitions,
    idleMb: Math.round(idle / MB),
    maxMb: Math.round(max / MB),
    growthMb: Math.round((max - idle) / MB),
    started: Number(counts),
  };
}

/** RSS when it has stopped growing: start-up leaves garbage that is collected within seconds. */
async function settledRss(pid: number): Promise<number> {
  const seen: number[] = [];
  await until(() => seen.push(rssBytes(pid)), {
    what: 'the bridge to be idle',
    timeoutMs: 60_000,
    everyMs: 500,
    accept: () => seen.length >= 10 && Math.max(...seen.slice(-10)) - Math.min(...seen.slice(-10)) < 2 * MB,
  });
  return seen.at(-1)!;
}
