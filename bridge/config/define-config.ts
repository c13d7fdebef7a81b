import type { BridgeConfig } from './types.js';

/**
 * Types a configuration; it changes nothing. With the modules of workflows and activities given, a name that isn't
 * exported there is a compile error.
 *
 * @example
 * import type * as activities from './activities/index.js';
 * import type * as workflows from './workflows/index.js';
 *
 * export default defineConfig<typeof workflows, typeof activities>({ ... });
 */
export function defineConfig<W = unknown, A = unknown>(config: BridgeConfig<W, A>): BridgeConfig<W, A> {
  return config;
}
