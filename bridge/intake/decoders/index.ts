import type { DecoderOption } from '../../config/types.js';
import { decodeBytes } from './bytes.js';
import { decodeCloudEvent } from './cloudevents.js';
import { isTooDeep, MAX_DEPTH, undecodable } from './decoder.js';
import type { Decoder } from './decoder.js';
import { decodeJson } from './json.js';
import { createSchemaRegistryDecoder } from './schema-registry.js';
import { decodeText } from './text.js';

export type { Decoder } from './decoder.js';

/** The decoder that an option names. Tombstones don't get here: they have nothing to decode. */
export function createDecoder(option: DecoderOption): Decoder {
  if (typeof option === 'function') {
    return async (value, context) => {
      const event = await option(value, context);
      if (isTooDeep(event))
        throw undecodable(`Expected an event of at most ${MAX_DEPTH} levels, got a deeper one`);
      return event;
    };
  }
  if (typeof option === 'object') return createSchemaRegistryDecoder(option);
  switch (option) {
    case 'json':
      return decodeJson;
    case 'text':
      return decodeText;
    case 'bytes':
      return decodeBytes;
    case 'cloudevents':
      return decodeCloudEvent;
  }
}

/**
 * The decoders of several routes, each created once: routes that name the same registry, each in an object of its own,
 * share its cache of schemas.
 */
export class DecoderPool {
  readonly #decoders = new Map<unknown, Decoder>();

  decoderOf(option: DecoderOption): Decoder {
    const identity =
      typeof option === 'object'
        ? JSON.stringify([option.url, option.auth?.username, option.auth?.password, option.timeoutMs])
        : option;
    let decoder = this.#decoders.get(identity);
    if (decoder === undefined) {
      decoder = createDecoder(option);
      this.#decoders.set(identity, decoder);
    }
    return decoder;
  }
}
