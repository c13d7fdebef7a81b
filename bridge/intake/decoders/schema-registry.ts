import type { SchemaRegistryDecoder } from '../../config/types.js';
import { BridgeError } from '../../errors.js';
import { thrownText } from '../one-line.js';
import { decodeProtobuf } from './confluent-protobuf.js';
import { isTooDeep, MAX_DEPTH, undecodable } from './decoder.js';
import type { Decoder } from './decoder.js';
import { decodeJson } from './json.js';
import { createRegistry } from './registry-client.js';

const MAGIC_BYTE = 0;
/** The magic byte and the schema's ID. */
const HEADER_BYTES = 5;

type Registry = ReturnType<typeof createRegistry>;

/**
 * Confluent's wire format: a zero byte, the schema's ID (32 bits, big-endian), the payload. A registry that is away is
 * a `BridgeError` with `retryable`; whatever else can't be decoded is the record's own fault.
 */
export function createSchemaRegistryDecoder(option: SchemaRegistryDecoder): Decoder {
  const registry = createRegistry(option);
  return async (value) => {
    if (value.length < HEADER_BYTES) {
      throw undecodable(`Expected Confluent's wire format, got a value of ${value.length} bytes`);
    }
    if (value[0] !== MAGIC_BYTE) {
      throw undecodable(
        `Expected Confluent's wire format, got a value that begins with 0x${value.toString('hex', 0, 1)}`,
      );
    }
    const id = value.readUInt32BE(1);
    try {
      const event = await decodeWith(registry, id, value.subarray(HEADER_BYTES));
      if (isTooDeep(event))
        throw undecodable(`Expected an event of at most ${MAX_DEPTH} levels, got a deeper one`);
      return event;
    } catch (error) {
      if (error instanceof BridgeError) throw error;
      throw undecodable(`Can't decode the value with schema ${id}: ${thrownText(error)}`, error);
    }
  };
}

async function decodeWith(registry: Registry, id: number, payload: Buffer): Promise<unknown> {
  const schema = await registry.getSchema(id);
  switch (String(registry.cache.getSchema(id)?.type)) {
    case 'PROTOBUF':
      return decodeProtobuf(schema, payload);
    case 'JSON': {
      // Not by the library: it takes bytes that aren't UTF-8 for replacement characters.
      const event = decodeJson(payload);
      const problems: string[] = [];
      const errorHook = (path: readonly string[], problem: unknown): void => {
        problems.push(`${path.join('') || 'the value'} ${thrownText(problem)}`);
      };
      if (!schema.isValid(event as object, { errorHook })) {
        throw undecodable(`Expected a value that fits schema ${id}, but ${problems.slice(0, 3).join('; ')}`);
      }
      return event;
    }
    default:
      return schema.fromBuffer(payload);
  }
}
