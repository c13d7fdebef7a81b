import type { WorkflowInterceptors } from '@temporalio/workflow';
import { CapacityTeller } from './capacity-teller.js';

/** In our own workflows. What they run for a record is an activity: that one is the handler. */
export const interceptors = (): WorkflowInterceptors => {
  const capacity = new CapacityTeller({ handles: false });
  return { internals: [capacity], outbound: [capacity] };
};
