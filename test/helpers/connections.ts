import { tmpdir } from 'node:os';
import { pino } from 'pino';
import { resolveConfig } from '../../bridge/config/resolve.js';
import type { ResolvedConfig } from '../../bridge/config/resolved.js';
import type { KafkaOptions, TemporalOptions } from '../../bridge/config/types.js';
import type { Logger } from '../../bridge/observe/logger.js';
import { unique } from './stack.js';

/** A config that is right but for its connections, with a handler of its own: nothing has to be bundled or loaded. */
export function configFor(kafka: Partial<KafkaOptions>, temporal: Partial<TemporalOptions>): ResolvedConfig {
  const name = unique('connections');
  return resolveConfig(
    {
      name,
      kafka: { brokers: ['127.0.0.1:1'], groupId: name, ...kafka },
      temporal: { address: '127.0.0.1:1', taskQueue: name, ...temporal },
      routes: [{ topic: 'secured', activity: 'handle' }],
      worker: { activities: { handle: async () => undefined } },
      drainTimeoutMs: 3_000,
    },
    { baseDir: tmpdir(), env: {} },
  );
}

/** A logger that keeps what it was told, debug lines included. */
export function memoryLogger(): { readonly logger: Logger; readonly text: string } {
  const lines: string[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
  return {
    logger,
    get text() {
      return lines.join('');
    },
  };
}
