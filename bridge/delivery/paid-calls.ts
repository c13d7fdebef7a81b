import type { CallBudget } from '../admission/call-budget.js';
import type { Priority } from '../config/types.js';
import type { TemporalPort } from '../temporal/temporal-port.js';
import { Interrupted } from './persistent-calls.js';

/** The calls that are made for a record. */
export type RecordCalls = Pick<TemporalPort, 'start' | 'describe'>;

/**
 * The port for one record's calls: each of them is paid for before. The first is paid here, while nothing else is held
 * for it.
 * @throws Interrupted after the signal; so do the calls
 */
export async function paidCalls(
  port: RecordCalls,
  budget: Pick<CallBudget, 'spend'> | undefined,
  priority: Priority,
  signal: AbortSignal,
): Promise<RecordCalls> {
  if (budget === undefined) return port;
  const pay = async () => {
    try {
      await budget.spend(priority, signal);
    } catch (error) {
      if (signal.aborted) throw new Interrupted('The record was given back');
      throw error;
    }
  };
  await pay();
  let isPaid = true;
  const paid = async () => {
    if (!isPaid) await pay();
    isPaid = false;
  };
  return {
    start: async (request) => {
      await paid();
      return port.start(request);
    },
    describe: async (workflowId, runId) => {
      await paid();
      return port.describe(workflowId, runId);
    },
  };
}
