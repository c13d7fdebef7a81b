import type { BridgeConfig, Route } from '../../bridge/config/types.js';

/** The smallest config that is right. */
export const BASE = {
  name: 'orders',
  kafka: { brokers: ['localhost:9092'], groupId: 'orders' },
  temporal: { taskQueue: 'orders' },
  routes: [{ topic: 'orders', workflow: 'fulfilOrder' }],
} satisfies BridgeConfig;

export function withRoutes(...routes: readonly Route[]): BridgeConfig {
  return { ...BASE, routes };
}
