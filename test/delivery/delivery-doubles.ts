import { RouteHolds } from '../../bridge/admission/route-holds.js';
import { TemporalCircuit } from '../../bridge/delivery/circuit.js';
import { FaultJudge } from '../../bridge/delivery/fault-judge.js';
import { PersistentCalls } from '../../bridge/delivery/persistent-calls.js';
import type { StartScope } from '../../bridge/delivery/record-start.js';
import { WorkflowDelivery, type WorkflowDeliveryOptions } from '../../bridge/delivery/workflow-delivery.js';
import type { TemporalPort } from '../../bridge/temporal/temporal-port.js';
import { SCOPE } from '../helpers/doubles/mapped-records.js';

/** A workflow delivery with everything that stands around it in a bridge. */
export function workflowDelivery(
  port: TemporalPort,
  options: Partial<WorkflowDeliveryOptions> & {
    readonly scope?: StartScope;
    readonly failures?: number;
  } = {},
) {
  const holds = new RouteHolds({
    quarantineLimit: { count: 50, share: 0.2, window: 500 },
    foreignLimit: 20,
    idPrefix: '',
  });
  const circuit = new TemporalCircuit({ failures: options.failures ?? 1000, halfOpenAfterMs: 200 });
  const judge = new FaultJudge();
  const calls = new PersistentCalls({ circuit, judge, probe: () => port.backlog('orders-ktb') });
  const delivery = new WorkflowDelivery({
    port,
    calls,
    holds,
    scope: SCOPE,
    keptUntil: () => Promise.resolve(undefined),
    ...options,
  });
  return { delivery, holds, circuit, judge };
}
