import { ownTaskQueue } from '../../workflows/contract.js';
import type { ResolvedConfig } from './resolved.js';

/** Every task queue that a start of this configuration may put a task on. */
export function taskQueuesOf(config: Pick<ResolvedConfig, 'temporal' | 'routes'>): readonly string[] {
  const { taskQueue } = config.temporal;
  const others = config.routes.map(({ target }) => target.options.taskQueue);
  return [...new Set([taskQueue, ownTaskQueue(taskQueue), ...others.filter((queue) => queue !== undefined)])];
}
