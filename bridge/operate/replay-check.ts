import { Worker, type ReplayWorkerOptions } from '@temporalio/worker';
import type { ResolvedConfig } from '../config/resolved.js';
import { messageOf } from '../errors.js';
import { oneLine } from '../intake/one-line.js';
import type { Logger } from '../observe/logger.js';
import { installRuntime } from '../observe/temporal-runtime.js';
import type { History } from '../temporal/operator-port.js';

/** One history to be tried: the part of it that a worker has seen when it goes on from the Reset. */
export interface ReplayCase {
  readonly workflowId: string;
  readonly history: History;
}

/** Why today's workflow code does not fit a history any more; undefined: it fits. */
export type ReplayVerdict = { readonly workflowId: string; readonly mismatch: string | undefined };

/**
 * Replays prefixes of histories with the user's workflows as they are now. The bundle is built once.
 * @throws what the bundler says, where the workflows can't be built at all
 */
export async function* replayPrefixes(
  config: Pick<ResolvedConfig, 'worker' | 'temporal'>,
  cases: AsyncIterable<ReplayCase>,
  logger: Logger,
): AsyncIterable<ReplayVerdict> {
  const { workflowsPath, options } = config.worker;
  if (workflowsPath === undefined && options.workflowBundle === undefined) return;
  // The SDK would write lines of its own between ours. Not sooner: its runtime keeps a process that would end by itself.
  installRuntime(logger, 'silent');
  const replayOptions: ReplayWorkerOptions = {
    ...(options.workflowBundle === undefined
      ? { workflowsPath: workflowsPath! }
      : { workflowBundle: options.workflowBundle }),
    ...(options.bundlerOptions === undefined ? {} : { bundlerOptions: options.bundlerOptions }),
    ...(config.temporal.dataConverter === undefined ? {} : { dataConverter: config.temporal.dataConverter }),
    interceptors: { workflowModules: [...(options.interceptors?.workflowModules ?? [])] },
    replayName: 'ktb-replay-check',
  };
  for await (const { workflowId, error } of Worker.runReplayHistories(replayOptions, cases)) {
    yield { workflowId, mismatch: error === undefined ? undefined : oneLine(messageOf(error), 300) };
  }
}
