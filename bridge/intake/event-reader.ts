import { BridgeError } from '../errors.js';
import type { SourceRecord } from '../record.js';
import type { Decoder } from './decoders/index.js';
import { oneLine, thrownText } from './one-line.js';

/** A record's event, or why there is none. */
export type EventResult =
  { readonly ok: true; readonly event: unknown } | { readonly ok: false; readonly message: string };

/** Decodes one record, at most once by each decoder, however many routes ask. */
export class EventReader {
  readonly #record: SourceRecord;
  readonly #results = new Map<Decoder, EventResult>();

  constructor(record: SourceRecord) {
    this.#record = record;
  }

  /** @throws BridgeError with `retryable` where the fault is systemic */
  async read(decoder: Decoder): Promise<EventResult> {
    let result = this.#results.get(decoder);
    if (result === undefined) {
      result = await this.#decode(decoder);
      this.#results.set(decoder, result);
    }
    return result;
  }

  async #decode(decoder: Decoder): Promise<EventResult> {
    const { topic, partition, headers, key, value } = this.#record;
    if (value === null) return { ok: true, event: null };
    try {
      return { ok: true, event: await decoder(value, { topic, partition, headers, key }) };
    } catch (error) {
      if (isBridgeError(error)) {
        if (!error.retryable) return { ok: false, message: oneLine(error.message) };
        throw new BridgeError('KTB_RECORD', oneLine(error.message), { retryable: true, cause: error });
      }
      return { ok: false, message: oneLine(`The decoder failed: ${thrownText(error)}`) };
    }
  }
}

/** By name, not by class: a config that tsx has loaded has a copy of this package of its own. */
function isBridgeError(error: unknown): error is BridgeError {
  return error instanceof Error && error.name === 'BridgeError';
}
