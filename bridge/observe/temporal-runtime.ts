import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import type { ResolvedConfig } from '../config/resolved.js';
import { BridgeError, messageOf } from '../errors.js';
import { oneLine } from '../intake/one-line.js';
import type { Logger } from './logger.js';

let installed = false;

/**
 * The SDK's runtime is one for the process: its log goes to ours, and signals are the command's business.
 * @param metrics `host:port` where its own metrics are served, untouched
 * @throws BridgeError `KTB_HTTP` where they can't be
 */
export function installRuntime(logger: Logger, level: ResolvedConfig['logLevel'], metrics?: string): void {
  if (installed) return;
  installed = true;
  const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;
  try {
    Runtime.install({
      shutdownSignals: [],
      // Its native part would write to stderr by itself, in a form of its own.
      telemetryOptions: {
        logging: { filter: makeTelemetryFilterString({ core: 'WARN' }), forward: {} },
        ...(metrics === undefined ? {} : { metrics: { prometheus: prometheusAt(metrics) } }),
      },
      logger: new DefaultLogger(level === 'debug' ? 'DEBUG' : 'WARN', ({ level: at, message, meta }) => {
        logger[levels[at]](logFields(meta), message);
      }),
    });
  } catch (error) {
    if (metrics !== undefined) {
      throw new BridgeError(
        'KTB_HTTP',
        `The SDK's metrics can't be served at ${metrics}: ${messageOf(error)}`,
        {
          cause: error,
        },
      );
    }
    logger.debug({ reason: messageOf(error) }, 'the runtime was installed by somebody else');
  }
}

/** Seconds and base units, as Prometheus asks for. */
function prometheusAt(bindAddress: string) {
  return { bindAddress, useSecondsForDurations: true, unitSuffix: true, countersTotalSuffix: true };
}

/** The SDK hands errors on as they are, and JSON knows nothing of an error inside of an object: its reason would be lost. */
function logFields(meta: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const { error, taskToken: _taskToken, ...temporal } = meta;
  if (!isErrorLike(error)) return { temporal };
  // Not the error itself: a failure carries payloads.
  return { temporal, reason: oneLine(rootOf(error).message), stack: error.stack };
}

/** A workflow's failure wraps its activity's, which has the reason. */
function rootOf(error: Error): Error {
  return isErrorLike(error.cause) ? rootOf(error.cause) : error;
}

/** By its shape: errors come out of the workflows' sandbox too, which has a class of its own. */
function isErrorLike(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && typeof (value as Error).message === 'string';
}
