import { createProducer, type ResolvedConfig } from '../../../bridge/index.js';
import type { DemoRecord } from '../orders.js';
import { print } from './environment.js';

export async function produce(config: ResolvedConfig, records: readonly DemoRecord[]): Promise<void> {
  await using producer = createProducer(config);
  const { sent } = await producer.sendAll(records);
  print(`Produced ${sent} events to the topics orders and payments.`);
}
