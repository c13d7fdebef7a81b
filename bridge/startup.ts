/** What a bridge makes sure of before it joins its group: that it may, and that Temporal is there. */
import type { ResolvedConfig } from './config/resolved.js';
import { awayReason, refusalOf } from './connections/refusal.js';
import { kafkaService, temporalService } from './connections/service.js';
import { BridgeError } from './errors.js';
import type { RecordSource } from './intake/record-source.js';
import { subscriptionIn } from './intake/subscription.js';
import type { Logger } from './observe/logger.js';
import type { Phase } from './observe/phase.js';
import type { TemporalPort } from './temporal/temporal-port.js';
import { delay } from './timing.js';

/** @throws BridgeError `KTB_SUBSCRIPTION` if the group belongs to a subscription of another name; `KTB_KAFKA` if Kafka refuses us */
export async function checkSubscription(
  { name, kafka }: ResolvedConfig,
  source: RecordSource,
  phase: Phase,
  signal: AbortSignal,
): Promise<void> {
  const service = kafkaService(kafka);
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      const committed = await source.committed(await source.existingTopics());
      const other = committed
        .map(({ metadata }) => subscriptionIn(metadata))
        .find((found) => found !== undefined && found !== name);
      if (other === undefined) return;
      throw new BridgeError(
        'KTB_SUBSCRIPTION',
        `Expected group \`${kafka.groupId}\` to belong to subscription \`${name}\`, got \`${other}\`: the name is part of ` +
          'every workflow ID, and another one forgets what was handled. Take the old name, another group, or start once with --rename',
      );
    } catch (error) {
      if (error instanceof BridgeError) throw error;
      const refusal = await refusalOf(error, service);
      if (refusal && !signal.aborted) throw refusal;
      phase.waits('Kafka', kafka.brokers.join(','), awayReason(error, service));
      await delay(Math.min(5_000, 250 * 2 ** attempt), signal);
    }
  }
}

/** @throws BridgeError `KTB_TEMPORAL` if Temporal refuses us */
export async function awaitTemporal(
  { temporal }: ResolvedConfig,
  port: TemporalPort,
  phase: Phase,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const { address, namespace } = temporal;
  const service = temporalService(temporal);
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      const { serverVersion, searchAttributes } = await port.capabilities();
      logger.info({ address, namespace, serverVersion }, 'Temporal answers');
      if (!searchAttributes.has('KtbRecord')) {
        logger.warn(
          'the search attributes KtbRecord, KtbKey, KtbRoute and KtbOffset are not registered: no query finds a record by them until `ktb setup` has been run',
        );
      }
      return;
    } catch (error) {
      const refusal = await refusalOf(error, service);
      if (refusal && !signal.aborted) throw refusal;
      phase.waits('Temporal', `${address}, namespace ${namespace}`, awayReason(error, service));
      await delay(Math.min(5_000, 250 * 2 ** attempt), signal);
    }
  }
}
