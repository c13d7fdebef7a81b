import type { ResolvedConfig } from '../config/resolved.js';
import type { Outcome } from '../delivery/outcomes.js';
import type { IntakeEvents } from '../intake/intake.js';
import type { Logger } from './logger.js';
import type { Phase } from './phase.js';
import { configuredLink } from './ui-link.js';

/** What the intake tells, as log lines, phases and counts. */
export function intakeLog(
  config: ResolvedConfig,
  logger: Logger,
  phase: Phase,
  outcomes: Record<Outcome, number>,
): IntakeEvents {
  const { kafka } = config;
  return {
    assigned: (gained, lost) => {
      if (gained.length + lost.length > 0)
        logger.info({ gained: gained.map(text), lost: lost.map(text) }, 'partitions were assigned');
    },
    newGroup: (at, position) =>
      logger.info(
        { partition: text(at), offset: position.toString() },
        `the group had no position: it begins at the ${kafka.startFrom} (\`startFrom\`)`,
      ),
    // Alerts say it.
    lostRange: () => undefined,
    stopped: () => undefined,
    connected: () => {
      phase.runs();
      logger.info({ group: kafka.groupId }, 'joined the group');
    },
    disconnected: (why, refused) => phase.waits('Kafka', kafka.brokers.join(','), why, refused),
    settled: ({ source, route }, { outcome, workflowId, runId, message }) => {
      outcomes[outcome]++;
      const bad = outcome === 'quarantined' || outcome === 'conflict' || outcome === 'foreign';
      logger[bad ? 'warn' : 'debug'](
        {
          topic: source.topic,
          partition: source.partition,
          offset: source.offset.toString(),
          group: kafka.groupId,
          route: route?.id,
          outcome,
          workflowId,
          runId,
          ...(message ? { reason: message } : {}),
          ...(bad ? { link: configuredLink(config, workflowId, runId) } : {}),
        },
        bad ? 'a record went into quarantine' : 'a record was settled',
      );
    },
  };
}

function text({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}/${partition}`;
}
