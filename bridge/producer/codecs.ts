import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import type { Compression } from '../config/producer-types.js';
import { BridgeError } from '../errors.js';
import type { Codec } from './record-batch.js';

const require = createRequire(import.meta.url);
const gzip = promisify(zlib.gzip);
/** Where Node has it: from 22.15. */
const { zstdCompress } = zlib as unknown as {
  readonly zstdCompress?: (bytes: Buffer, done: (error: Error | null, result: Buffer) => void) => void;
};

interface Snappy {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
}

/**
 * Not kafkajs's registry of codecs: the bridge's own stand there, with caps for what it reads.
 * @throws BridgeError `KTB_CONFIG`: this Node has no zstd
 */
export function codecOf(compression: Compression): Codec | undefined {
  switch (compression) {
    case 'none':
      return undefined;
    case 'gzip':
      return { id: 1, compress: (bytes) => gzip(bytes) };
    case 'snappy': {
      const snappy = (require('kafkajs-snappy') as () => Snappy)();
      return { id: 2, compress: (bytes) => snappy.compress({ buffer: bytes }) };
    }
    case 'zstd': {
      if (!zstdCompress) {
        throw new BridgeError(
          'KTB_CONFIG',
          `Expected \`producer.compression\` to be one that Node ${process.versions.node} has, got 'zstd', which it has from 22.15`,
        );
      }
      const compress = promisify(zstdCompress);
      return { id: 4, compress: (bytes) => compress(bytes) };
    }
  }
}
