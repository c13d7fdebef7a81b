import { destination, pino, type DestinationStream, type Logger } from 'pino';
import pretty from 'pino-pretty';

export type { Logger } from 'pino';

export interface LoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Which process of ours writes: `bridge`, `worker`, ... */
  readonly name: string;
  /** Lines for people instead of JSON. @default whether stderr is a terminal */
  readonly human?: boolean;
}

/**
 * JSON lines on stderr (stdout is for data), or readable ones on a terminal. Secrets never get as far as a log call;
 * the paths here are a second fence.
 */
export function createLogger(options: LoggerOptions): Logger {
  const human = options.human ?? Boolean(process.stderr.isTTY);
  return pino(
    {
      name: options.name,
      level: options.level,
      redact: {
        paths: ['sasl', 'apiKey', 'password', 'tls', 'ssl', 'auth'].flatMap((name) => [name, `*.${name}`]),
        censor: '<hidden>',
      },
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
    },
    human ? humanStream() : destination({ dest: 2, sync: true }),
  );
}

function humanStream(): DestinationStream {
  return pretty({
    destination: 2,
    sync: true,
    colorize: Boolean(process.stderr.isTTY) && !process.env['NO_COLOR'],
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss',
    singleLine: true,
  });
}
