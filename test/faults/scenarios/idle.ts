import { cpuSeconds } from '../process.js';
import { createScene, keyed } from '../scene.js';
import type { TestStack } from '../../helpers/stack.js';
import { until } from '../../helpers/until.js';

export interface IdleOptions {
  /** @default the shared stack */
  readonly stack?: TestStack;
  readonly seconds: number;
}

export interface IdleReport extends Omit<IdleOptions, 'stack'> {
  readonly cpuSeconds: number;
  /** Of one core. */
  readonly share: number;
}

/** What a bridge takes that has joined its group and finds nothing new. */
export async function idleCpu({ seconds, stack }: IdleOptions): Promise<IdleReport> {
  await using scene = await createScene({ partitions: 8, ...(stack === undefined ? {} : { stack }) });
  const bridge = scene.bridge('bridge', ['--report-every', '10']);
  const worker = scene.worker();
  await scene.produce([keyed('one')]);
  await scene.committedToEnd();
  await worker.term();
  const elapsed = (since: number) => (performance.now() - since) / 1000;
  const warm = performance.now();
  await until(() => elapsed(warm), {
    what: 'start-up to be over',
    timeoutMs: 60_000,
    accept: (passed) => passed >= 10,
  });
  const begun = performance.now();
  const before = cpuSeconds(bridge.pid);
  await until(() => elapsed(begun), {
    what: 'it to be watched',
    timeoutMs: (seconds + 60) * 1000,
    everyMs: 1_000,
    accept: (passed) => passed >= seconds,
  });
  const used = cpuSeconds(bridge.pid) - before;
  return {
    seconds,
    cpuSeconds: Math.round(used * 100) / 100,
    share: Math.round((used / elapsed(begun)) * 10_000) / 10_000,
  };
}
