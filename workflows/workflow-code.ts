/**
 * What workflow code may call: `kafka-temporal-bridge/workflow`.
 *
 * @packageDocumentation
 */
export { publish, publishAll, type EventToPublish, type PublishOptions } from './publish.js';
export { releaseCapacity } from './release-capacity.js';
export type { PublishedEvent, PublishHeaders } from './contract.js';
