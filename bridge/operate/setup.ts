import { Connection } from '@temporalio/client';

import type { ResolvedConfig } from '../config/resolved.js';
import { BridgeError, messageOf } from '../errors.js';
import { temporal } from '../temporal/proto.js';
import { connectionOptions, SEARCH_ATTRIBUTES } from '../temporal/sdk-temporal-port.js';

/** What was there, and what is there now. */
export interface SetupResult {
  readonly added: readonly string[];
  readonly present: readonly string[];
}

/**
 * Registers the bridge's search attributes in the namespace. Again, it changes nothing.
 * @throws BridgeError `KTB_TEMPORAL`
 */
export async function registerSearchAttributes(config: ResolvedConfig['temporal']): Promise<SetupResult> {
  const { IndexedValueType } = temporal.api.enums.v1;
  const types = {
    KEYWORD: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    INT: IndexedValueType.INDEXED_VALUE_TYPE_INT,
  };
  try {
    const connection = await Connection.connect(connectionOptions(config));
    try {
      const { namespace } = config;
      const known = await connection.operatorService.listSearchAttributes({ namespace });
      const names = Object.keys(SEARCH_ATTRIBUTES) as (keyof typeof SEARCH_ATTRIBUTES)[];
      const present = names.filter((name) => Object.hasOwn(known.customAttributes ?? {}, name));
      const added = names.filter((name) => !present.includes(name));
      if (added.length > 0) {
        await connection.operatorService.addSearchAttributes({
          namespace,
          searchAttributes: Object.fromEntries(added.map((name) => [name, types[SEARCH_ATTRIBUTES[name]]])),
        });
      }
      return { added, present };
    } finally {
      await connection.close();
    }
  } catch (error) {
    throw new BridgeError('KTB_TEMPORAL', `The search attributes can't be registered: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
