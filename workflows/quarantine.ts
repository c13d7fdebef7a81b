import { proxyActivities } from '@temporalio/workflow';
import { withReason } from './activity-route.js';
import type { DispatchResult, QuarantineInput } from './contract.js';
import { oncePerRun } from './once-per-run.js';

interface DispatchActivities {
  ktbDispatchRecord(input: QuarantineInput): Promise<DispatchResult>;
}

const { ktbDispatchRecord } = proxyActivities<DispatchActivities>({
  startToCloseTimeout: '1m',
  // Its own faults end it at once (non-retryable); what is systemic is tried until it has passed.
  retry: { initialInterval: '1s', maximumInterval: '1m' },
});

/**
 * A record that could not be taken. It maps and starts the record again, so it fails with the reason; after a mend, a
 * Reset to any event sends the record through.
 */
export async function ktbQuarantine(input: QuarantineInput): Promise<DispatchResult> {
  try {
    return await oncePerRun(() => ktbDispatchRecord(input));
  } catch (error) {
    throw withReason(error);
  }
}
