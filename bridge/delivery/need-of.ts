import type { AcquireOptions } from '../admission/admission.js';
import type { MappedRecord } from '../intake/mapped-record.js';
import { isDelayed } from './record-start.js';

/** What a record asks of admission. */
export function needOf(record: MappedRecord, nowMs: number): Omit<AcquireOptions, 'signal'> {
  const route = record.route?.id ?? '';
  // Quarantines weigh on nobody's handlers, nor does what is due later.
  if (record.kind !== 'deliver') return { weight: 1, priority: 'medium', route, slotless: true };
  const { priority } = record;
  const { target } = record.route;
  return {
    weight: 1,
    priority,
    route,
    ...(target.kind === 'workflow' ? { workflowType: target.workflow } : {}),
    ...(isDelayed(record, nowMs) ? { slotless: true } : {}),
  };
}
