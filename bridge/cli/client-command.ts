import { BridgeClient } from '../operate/bridge-client.js';
import type { ResolvedConfig } from '../config/resolved.js';
import { refusalOf } from '../connections/refusal.js';
import { temporalService } from '../connections/service.js';
import { createLogger } from '../observe/logger.js';
import { TemporalFault } from '../temporal/temporal-port.js';
import { BridgeError } from '../errors.js';
import { configFrom, interruption, type ConfigFlags } from './command.js';

/**
 * Runs a command that asks or changes something and ends. Ctrl-C ends it in order: what was begun on the server goes on
 * there.
 */
export async function withClient<T>(
  flags: ConfigFlags,
  use: (client: BridgeClient, config: ResolvedConfig, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return withClientOf(await configFrom(flags), flags, use);
}

/** The same, with a configuration that is there. */
export async function withClientOf<T>(
  config: ResolvedConfig,
  flags: ConfigFlags,
  use: (client: BridgeClient, config: ResolvedConfig, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const logger = createLogger({ name: 'ktb', level: flags.logLevel ?? 'silent' });
  using interrupted = interruption();
  const client = new BridgeClient(config, { logger });
  try {
    return await use(client, config, interrupted.signal);
  } catch (error) {
    if (!(error instanceof TemporalFault)) throw error;
    const refused = await refusalOf(error, temporalService(config.temporal));
    if (refused) throw refused;
    const { address, namespace } = config.temporal;
    throw new BridgeError(
      'KTB_TEMPORAL',
      `Temporal at ${address}, namespace ${namespace}: ${error.message}${error.status === undefined ? '' : ` (${error.status})`}`,
      { cause: error },
    );
  } finally {
    await client.close();
  }
}
