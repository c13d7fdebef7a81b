import type { ResolvedConfig } from '../config/resolved.js';
import { KafkaInspector } from '../intake/kafka-inspector.js';
import { createLogger, type Logger } from '../observe/logger.js';
import { SdkInspectorPort } from '../temporal/sdk-inspector-port.js';
import { Checkup } from './doctor/checkup.js';
import type { Finding } from './doctor/finding.js';
import { runChecks } from './doctor/run.js';

export interface DoctorOptions {
  /**
   * Whether it may start an execution to see what the server makes of IDs and priorities. It is on a queue that nobody
   * polls, and is deleted at once. @default true
   */
  readonly probe?: boolean;
  /** Called for each finding as soon as it is its turn. */
  readonly onFinding?: (finding: Finding) => void;
  /** What kafkajs says, at debug. @default none */
  readonly logger?: Logger;
}

/** Looks at Temporal, Kafka, group, workers and bridges of a configuration. What is wrong is a finding, no exception. */
export async function examine(
  config: ResolvedConfig,
  options: DoctorOptions = {},
): Promise<readonly Finding[]> {
  const logger = options.logger ?? createLogger({ name: 'doctor', level: 'silent' });
  const temporal = new SdkInspectorPort(config.temporal);
  const kafka = new KafkaInspector(config.kafka, logger);
  try {
    const checkup = new Checkup({ config, temporal, kafka, probe: options.probe ?? true });
    return await runChecks(checkup, options.onFinding);
  } finally {
    await Promise.allSettled([temporal.close(), kafka.close()]);
  }
}
