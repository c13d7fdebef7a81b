import type { ResolvedConfig } from '../config/resolved.js';
import type { Alerts } from '../observe/alerts.js';
import type { Logger } from '../observe/logger.js';
import type { CapacityPort } from '../temporal/capacity-port.js';
import type { BacklogGate } from './backlog-gate.js';
import { CapacityLoop, routesElsewhere, type CapacityLoopOptions } from './capacity-loop.js';

export interface CapacityNeighbours {
  readonly holds: CapacityLoopOptions['holds'];
  readonly alerts: Pick<Alerts, 'raise'>;
  /** It comes into being after the loop. */
  readonly backlog: () => Pick<BacklogGate, 'backlog' | 'lastLook'>;
}

/** The bridge's side of the capacity loop, with what it says in the log; undefined with `capacity.limit: 'off'`. */
export function createCapacityLoop(
  config: ResolvedConfig,
  port: CapacityPort | undefined,
  logger: Logger,
  { holds, backlog, alerts }: CapacityNeighbours,
): CapacityLoop | undefined {
  if (config.capacity.limit === 'off' || port === undefined) return undefined;
  const elsewhere = routesElsewhere(config);
  for (const { id, maxInFlight } of config.routes) {
    if (maxInFlight === undefined || !elsewhere.has(id)) continue;
    logger.warn(
      { route: id },
      'maxInFlight of a route does not hold where its workflows run on a task queue of their own: those workers report elsewhere',
    );
  }
  return new CapacityLoop({
    config,
    port,
    holds,
    backlog: {
      get backlog() {
        return backlog().backlog;
      },
      get lastLook() {
        return backlog().lastLook;
      },
    },
    onCircuit: (circuit, { inFlight, limit }) => {
      if (circuit === 'open') {
        alerts.raise({
          kind: 'capacityCircuit',
          message: `Far more records are in work than the workers can take (${inFlight}, the limit is ${limit}): only high priority is admitted`,
        });
      } else {
        logger.info({ circuit, inFlight, limit }, `the capacity circuit is ${circuit}`);
      }
    },
    onLost: (fault) =>
      logger.warn(
        { status: fault.status, reason: fault.message },
        'the capacity workflow does not answer: this bridge goes on with its part of the minimum',
      ),
  });
}
