import path from 'node:path';
import { DEFAULTS } from './defaults.js';
import { deepFreeze } from './freeze.js';
import type {
  ProducerBufferOptions,
  ProducerCircuitOptions,
  ProducerOptions,
  SpillOptions,
} from './producer-types.js';

/** The producer's options with every default in place. */
export interface ResolvedProducer extends Required<Omit<ProducerOptions, 'buffer' | 'circuit' | 'spill'>> {
  readonly buffer: Required<ProducerBufferOptions>;
  readonly circuit: Required<ProducerCircuitOptions>;
  /** The folder is absolute. `undefined`: nothing is kept on disk. */
  readonly spill: Required<SpillOptions> | undefined;
}

/** Of validated options; frozen. */
export function producerOf(given: ProducerOptions = {}, baseDir: string): ResolvedProducer {
  const defaults = DEFAULTS.producer;
  return deepFreeze({
    compression: given.compression ?? defaults.compression,
    lingerMs: given.lingerMs ?? defaults.lingerMs,
    batchBytes: given.batchBytes ?? defaults.batchBytes,
    requestTimeoutMs: given.requestTimeoutMs ?? defaults.requestTimeoutMs,
    deliveryTimeoutMs: given.deliveryTimeoutMs ?? defaults.deliveryTimeoutMs,
    buffer: {
      records: given.buffer?.records ?? defaults.buffer.records,
      bytes: given.buffer?.bytes ?? defaults.buffer.bytes,
    },
    mediumWaitMs: given.mediumWaitMs ?? defaults.mediumWaitMs,
    circuit: {
      failures: given.circuit?.failures ?? defaults.circuit.failures,
      halfOpenAfterMs: given.circuit?.halfOpenAfterMs ?? defaults.circuit.halfOpenAfterMs,
    },
    deadLetterSuffix: given.deadLetterSuffix ?? defaults.deadLetterSuffix,
    encoder: given.encoder ?? defaults.encoder,
    encoders: given.encoders ?? defaults.encoders,
    spill: given.spill && {
      dir: path.resolve(baseDir, given.spill.dir),
      maxBytes: given.spill.maxBytes ?? defaults.spill.maxBytes,
    },
  });
}
