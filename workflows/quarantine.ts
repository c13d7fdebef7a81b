import { proxyActivities } from '@temporalio/workflow';
import { withReason } from './activity-route.js';
import type { DispatchResult, QuarantineDecision, QuarantineInput } from './contract.js';
import { oncePerRun } from './once-per-run.js';

interface DispatchActivities {
  ktbDispatchRecord(input: QuarantineInput, decision?: QuarantineDecision): Promise<DispatchResult>;
}

const { ktbDispatchRecord } = proxyActivities<DispatchActivities>({
  startToCloseTimeout: '1m',
  // Its own faults end it at once (non-retryable); what is systemic is tried until it has passed.
  retry: { initialInterval: '1s', maximumInterval: '1m' },
});

/**
 * A record that could not be taken. It maps and starts the record again, so it fails with the reason; after a mend, a
 * Reset to any event sends the record through.
 *
 * A decision about the record is another run of the same ID, started with it: server 1.32 takes no signal along with a
 * Reset, and the first task of the new run would be faster than one that comes after it. Without a decision the commands
 * are those of runs that are open already, so there is no `patched()`.
 */
export async function ktbQuarantine(
  input: QuarantineInput,
  decision?: QuarantineDecision,
): Promise<DispatchResult> {
  if (decision?.action === 'drop') return { outcome: 'dropped', workflowId: null, runId: null };
  try {
    return await oncePerRun(() => (decision ? ktbDispatchRecord(input, decision) : ktbDispatchRecord(input)));
  } catch (error) {
    throw withReason(error);
  }
}
