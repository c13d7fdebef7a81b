import type { EncoderOption } from '../producer-options.js';
import { encodeCloudEvent } from './cloudevents.js';
import type { Encoder } from './encoder.js';
import { createSchemaRegistryEncoder } from './schema-registry.js';
import { encodeBytes, encodeJson, encodeText } from './simple.js';

/** The encoders of topics, each made once. */
export class EncoderPool {
  readonly #encoder: EncoderOption;
  readonly #encoders: Readonly<Record<string, EncoderOption>>;
  readonly #made = new Map<EncoderOption, Encoder>();

  /** @param encoders of single topics; the others have `encoder` */
  constructor(encoder: EncoderOption, encoders: Readonly<Record<string, EncoderOption>>) {
    this.#encoder = encoder;
    this.#encoders = encoders;
    // One that can't be is said at once, not at the first event.
    for (const option of Object.values(encoders)) this.#of(option);
  }

  encoderOf(topic: string): Encoder {
    return this.#of(Object.hasOwn(this.#encoders, topic) ? this.#encoders[topic]! : this.#encoder);
  }

  #of(option: EncoderOption): Encoder {
    let made = this.#made.get(option);
    if (!made) this.#made.set(option, (made = createEncoder(option)));
    return made;
  }
}

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
