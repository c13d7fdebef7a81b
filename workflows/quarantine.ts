import { CancellationScope, condition, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';
import { withReason } from './activity-route.js';
import {
  RESOLVE_SIGNAL,
  type DispatchResult,
  type QuarantineInput,
  type QuarantineResolution,
} from './contract.js';
import { oncePerRun } from './once-per-run.js';

interface DispatchActivities {
  ktbDispatchRecord(input: QuarantineInput, resolution?: QuarantineResolution): Promise<DispatchResult>;
}

const { ktbDispatchRecord } = proxyActivities<DispatchActivities>({
  startToCloseTimeout: '1m',
  // Its own faults end it at once (non-retryable); what is systemic is tried until it has passed.
  retry: { initialInterval: '1s', maximumInterval: '1m' },
});

const resolve = defineSignal<[QuarantineResolution]>(RESOLVE_SIGNAL);

/**
 * A record that could not be taken. It maps and starts the record again, so it fails with the reason; after a mend, a
 * Reset to any event sends the record through. A resolution decides otherwise: it comes by signal, with the Reset of one
 * that has failed, or to one that still tries. Without a signal the commands are those of 0.1.0, so no `patched()`.
 */
export async function ktbQuarantine(input: QuarantineInput): Promise<DispatchResult> {
  let resolution: QuarantineResolution | undefined;
  setHandler(resolve, (given) => {
    resolution = given;
  });
  for (;;) {
    const heeded = resolution;
    if (heeded?.action === 'drop') return { outcome: 'dropped', workflowId: null, runId: null };
    const scope = new CancellationScope();
    const dispatched = scope.run(() =>
      oncePerRun(() => (heeded ? ktbDispatchRecord(input, heeded) : ktbDispatchRecord(input))),
    );
    const overruled = await Promise.race([
      dispatched.then(
        () => false,
        () => resolution !== heeded,
      ),
      condition(() => resolution !== heeded).then(() => true),
    ]);
    if (!overruled) {
      try {
        return await dispatched;
      } catch (error) {
        throw withReason(error);
      }
    }
    scope.cancel();
    // What has gone through meanwhile is through: nobody may decide about it any more.
    const through = await dispatched.then(
      (result) => result,
      () => undefined,
    );
    if (through) return through;
  }
}
