import type { SchemaRegistryEncoder } from '../producer-options.js';
import { BridgeError } from '../../errors.js';
import { createRegistry } from '../../intake/decoders/registry-client.js';
import { thrownText } from '../../intake/one-line.js';
import { unencodable, type Encoder } from './encoder.js';

/**
 * Confluent's wire format, with a schema that the registry has: nothing is registered by sending. A registry that is
 * away is a `BridgeError` with `retryable`.
 */
export function createSchemaRegistryEncoder(option: SchemaRegistryEncoder): Encoder {
  const registry = createRegistry({ ...option, type: 'schema-registry' });
  return async (event) => {
    try {
      // The library's cache knows a schema by its ID; it is fetched once.
      return { value: await registry.encode(option.schemaId, event) };
    } catch (error) {
      if (error instanceof BridgeError) throw error;
      throw unencodable(`Can't encode the event with schema ${option.schemaId}: ${thrownText(error)}`, error);
    }
  };
}
