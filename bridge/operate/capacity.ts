import { ownTaskQueue } from '../../workflows/contract.js';
import type { CapacitySettings, CapacityView, SettingsChange } from '../../workflows/capacity/contract.js';
import type { ResolvedConfig } from '../config/resolved.js';
import { BridgeError } from '../errors.js';
import type { CapacityPort } from '../temporal/capacity-port.js';
import type { OperatorPort } from '../temporal/operator-port.js';
import { TemporalFault, type TemporalPort } from '../temporal/temporal-port.js';

/** What Temporal itself knows of a task queue, without any worker's help. */
export interface QueueLook {
  readonly taskQueue: string;
  /** Tasks that wait for a worker. */
  readonly backlog: number;
  /** Identities of those that polled in the last minutes. */
  readonly pollers: readonly string[];
}

/** What the capacity workflow tells; or, where none answers, why, and what Temporal knows. */
export type CapacityLook = ({ readonly answers: true } & CapacityView) | CapacitySilence;

export interface CapacitySilence {
  readonly answers: false;
  readonly taskQueue: string;
  readonly reason: string;
  /** The user's task queue, and ours. */
  readonly queues: readonly QueueLook[];
}

export interface Decision {
  /** Stands in the settings, and in what bridges say. @default '' */
  readonly reason?: string;
  /** @default user and host */
  readonly who?: string;
}

export interface CapacitySources {
  readonly capacity: CapacityPort;
  readonly temporal: Pick<TemporalPort, 'backlog'>;
  readonly operator: Pick<OperatorPort, 'pollers'>;
}

/** A query waits for a worker; somebody waits for it. */
const ANSWER_MS = 5_000;
const CHANGE_MS = 10_000;

/** @throws TemporalFault where Temporal itself does not answer */
export async function lookAtCapacity(
  { capacity, temporal, operator }: CapacitySources,
  config: Pick<ResolvedConfig, 'temporal'>,
): Promise<CapacityLook> {
  const { taskQueue } = config.temporal;
  let reason: string;
  try {
    const view = await capacity.view(ANSWER_MS);
    if (view) return { answers: true, ...view };
    reason = `There is no capacity workflow for ${taskQueue}: no worker has reported, and no bridge has asked.`;
  } catch (error) {
    if (!(error instanceof TemporalFault)) throw error;
    reason = `The capacity workflow of ${taskQueue} does not answer: ${error.message}`;
  }
  // Where Temporal is away this fails as well, and says so.
  const queues = await Promise.all(
    [taskQueue, ownTaskQueue(taskQueue)].map(async (queue): Promise<QueueLook> => {
      const [{ count }, pollers] = await Promise.all([temporal.backlog(queue), operator.pollers(queue)]);
      return { taskQueue: queue, backlog: count, pollers };
    }),
  );
  return { answers: false, taskQueue, reason, queues };
}

/**
 * What operators decide: pauses, and a limit by hand.
 * @throws BridgeError `KTB_USAGE` where the change makes no sense; `KTB_TEMPORAL` where no worker answers
 * @throws TemporalFault
 */
export async function decide(
  { capacity: port, temporal: server }: Pick<CapacitySources, 'capacity' | 'temporal'>,
  config: ResolvedConfig,
  change: SettingsChange,
): Promise<CapacitySettings> {
  const { capacity, temporal } = config;
  if (capacity.limit === 'off') {
    throw new BridgeError(
      'KTB_USAGE',
      "Expected `capacity.limit` to be 'aimd', 'gradient' or 'fixed', got 'off': bridges with this configuration ask nobody, so nothing would come of it",
    );
  }
  try {
    return await port.change(change, CHANGE_MS);
  } catch (error) {
    if (!(error instanceof TemporalFault)) throw error;
    if (error.kind === 'rejected') throw new BridgeError('KTB_USAGE', error.message, { cause: error });
    // Nobody answers while Temporal is away, too: then this is the fault.
    await server.backlog(ownTaskQueue(temporal.taskQueue));
    throw new BridgeError(
      'KTB_TEMPORAL',
      `Expected a worker to answer on ${ownTaskQueue(temporal.taskQueue)}, got none in ${CHANGE_MS / 1000} s: start one (\`ktb worker\`) and repeat it; ` +
        'this one may still come into force then. Until a worker is there what was paused or set before holds, and all bridges together ' +
        `start at most ${capacity.minimum} records (\`capacity.minimum\`), the rest waits in Kafka`,
      { cause: error, retryable: true },
    );
  }
}

/** What a pause is of: the subscription, or one of its routes. @throws BridgeError `KTB_USAGE` for a route that is not there */
export function pauseScope(
  { name, routes }: Pick<ResolvedConfig, 'name' | 'routes'>,
  route?: string,
): string {
  if (route === undefined) return name;
  const ids = routes.map(({ id }) => id);
  if (!ids.includes(route)) {
    throw new BridgeError(
      'KTB_USAGE',
      `Expected a route of \`${name}\`, got \`${route}\`; there are: ${ids.join(', ')}`,
    );
  }
  return `${name}/${route}`;
}
