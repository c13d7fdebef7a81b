/**
 * Effects in PostgreSQL, once for each record: `kafka-temporal-bridge/postgres`. It brings no driver along.
 *
 * @packageDocumentation
 */
export { onceIn, type AsJson, type OnceOptions, type OnceResult } from './effects/once-in.js';
export {
  createOnceTable,
  forgetOnceBefore,
  onceTable,
  type OnceClient,
  type OnceTableOptions,
} from './effects/once-table.js';
export { BridgeError, type BridgeErrorCode } from './errors.js';
export type { RecordInfo } from '../workflows/contract.js';
