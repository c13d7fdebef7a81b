import path from 'node:path';
import { DEFAULTS } from './defaults.js';
import { deepFreeze } from './freeze.js';
import type {
  ProducerBufferOptions,
  ProducerCircuitOptions,
  ProducerOptions,
  SpillOptions,
} from './producer-types.js';
import { withDefaults } from './with-defaults.js';

/** The producer's options with every default in place. */
export interface ResolvedProducer extends Required<Omit<ProducerOptions, 'buffer' | 'circuit' | 'spill'>> {
  readonly buffer: Required<ProducerBufferOptions>;
  readonly circuit: Required<ProducerCircuitOptions>;
  /** The folder is absolute. `undefined`: nothing is kept on disk. */
  readonly spill: Required<SpillOptions> | undefined;
}

/** Of validated options; frozen. */
export function producerOf(given: ProducerOptions = {}, baseDir: string): ResolvedProducer {
  const { buffer, circuit, spill, ...plain } = given;
  const { buffer: ofBuffer, circuit: ofCircuit, spill: ofSpill, ...defaults } = DEFAULTS.producer;
  return deepFreeze({
    ...withDefaults<Omit<ResolvedProducer, 'buffer' | 'circuit' | 'spill'>>(defaults, plain),
    buffer: withDefaults<ResolvedProducer['buffer']>(ofBuffer, buffer),
    circuit: withDefaults<ResolvedProducer['circuit']>(ofCircuit, circuit),
    spill: spill && { dir: path.resolve(baseDir, spill.dir), maxBytes: spill.maxBytes ?? ofSpill.maxBytes },
  });
}
