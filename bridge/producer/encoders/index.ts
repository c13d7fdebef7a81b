import type { EncoderOption } from '../producer-options.js';
import { encodeCloudEvent } from './cloudevents.js';
import type { Encoder } from './encoder.js';
import { createSchemaRegistryEncoder } from './schema-registry.js';
import { encodeBytes, encodeJson, encodeText } from './simple.js';

/** The encoder that an option names. Tombstones don't get here: `null` has nothing to encode. */
export function createEncoder(option: EncoderOption): Encoder {
  if (typeof option === 'function') {
    return async (event, context) => {
      const value = await option(event, context);
      return { value: value === null ? null : Buffer.from(value) };
    };
  }
  if (typeof option === 'object') return createSchemaRegistryEncoder(option);
  switch (option) {
    case 'json':
      return encodeJson;
    case 'text':
      return encodeText;
    case 'bytes':
      return encodeBytes;
    case 'cloudevents':
      return encodeCloudEvent;
  }
}
