import type { ResolvedConfig } from '../config/resolved.js';
import { kafkaClient } from '../intake/kafka-client.js';
import type { Logger } from '../observe/logger.js';

/** Creates the topics that routes name and that are missing; patterns name none. @returns what was created */
export async function createMissingTopics(
  config: Pick<ResolvedConfig, 'kafka' | 'routes'>,
  partitions: number,
  logger: Logger,
): Promise<readonly string[]> {
  const admin = kafkaClient(config.kafka, logger).admin();
  await admin.connect();
  try {
    const named = new Set(
      config.routes.map(({ topic }) => topic).filter((topic) => typeof topic === 'string'),
    );
    const present = new Set(await admin.listTopics());
    const missing = [...named].filter((topic) => !present.has(topic));
    if (missing.length > 0) {
      await admin.createTopics({
        waitForLeaders: true,
        topics: missing.map((topic) => ({ topic, numPartitions: partitions })),
      });
    }
    return missing;
  } finally {
    await admin.disconnect();
  }
}
