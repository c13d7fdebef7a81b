import {
  allHandlersFinished,
  ApplicationFailure,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import {
  LEASE_UPDATE,
  REPORT_SIGNAL,
  SETTINGS_UPDATE,
  VIEW_QUERY,
  type CapacitySettings,
  type CapacityView,
  type Lease,
  type LeaseRequest,
  type SettingsChange,
  type WorkerReport,
} from './capacity/contract.js';
import { CapacityState, type CapacityCarry } from './capacity/state.js';

/** Far below what a run may take: 2,000 updates, 10,000 signals. A replay after a lost worker stays short, too. */
const MESSAGES_PER_RUN = 500;

/** What a request needs to be understood at all; everything else the state looks at itself. */
const BRIDGE = /^[a-z0-9]{1,40}$/;

const report = defineSignal<[WorkerReport]>(REPORT_SIGNAL);
const lease = defineUpdate<Lease, [LeaseRequest]>(LEASE_UPDATE);
const settings = defineUpdate<CapacitySettings, [SettingsChange]>(SETTINGS_UPDATE);
const view = defineQuery<CapacityView>(VIEW_QUERY);

/**
 * The capacity of a task queue: who may have how many records in work. It never waits for time: leases and workers that
 * are gone are seen when the next message comes, and without one there is nobody to whom it would matter.
 *
 * All that it knows is in its state, which travels with each continue-as-new. Where it was terminated the next message
 * starts it anew; bridges then bring along what operators have decided, and the backlog tells of what was started before.
 */
export async function ktbCapacity(taskQueue: string, carried?: CapacityCarry): Promise<void> {
  const state = carried === undefined ? CapacityState.fresh(taskQueue) : CapacityState.from(carried);
  let messages = 0;
  setHandler(report, (told) => {
    messages++;
    state.report(told, Date.now());
  });
  setHandler(
    lease,
    (request) => {
      messages++;
      return state.lease(request, Date.now());
    },
    { validator: checkRequest },
  );
  setHandler(settings, (change) => {
    messages++;
    try {
      return state.change(change, Date.now());
    } catch (error) {
      // Thrown as it is it would fail the task, again and again.
      throw ApplicationFailure.nonRetryable(
        error instanceof Error ? error.message : String(error),
        'KtbSettings',
      );
    }
  });
  setHandler(view, () => state.view(Date.now()));
  await condition(
    () => (messages >= MESSAGES_PER_RUN || workflowInfo().continueAsNewSuggested) && allHandlersFinished(),
  );
  await continueAsNew<typeof ktbCapacity>(taskQueue, state.carry());
}

/** What is refused here leaves no trace in the history. */
function checkRequest(request: LeaseRequest): void {
  const shaped =
    typeof request === 'object' &&
    request !== null &&
    BRIDGE.test(String(request.bridge)) &&
    Number.isSafeInteger(request.sequence) &&
    request.sequence >= 0 &&
    Array.isArray(request.streams);
  if (!shaped) {
    throw ApplicationFailure.nonRetryable(
      `Expected a lease request with \`bridge\`, \`sequence\` and \`streams\`, got ${JSON.stringify(request)?.slice(0, 200)}`,
      'KtbLease',
    );
  }
}
