import { defaultPayloadConverter } from '@temporalio/common';
import type { Client } from '@temporalio/client';
import {
  capacityWorkflowId,
  parseSlot,
  REPORT_SIGNAL,
  type WorkerReport,
} from '../../workflows/capacity/contract.js';
import { NumberSet } from '../../workflows/capacity/numbers.js';
import { historyOf } from './temporal.js';

/** What workers have told the capacity workflow of a task queue, as its current run's history has it. */
export async function workerReports(client: Client, taskQueue: string): Promise<readonly WorkerReport[]> {
  const { events } = await historyOf(client, capacityWorkflowId(taskQueue));
  return (events ?? []).flatMap((event) => {
    const signal = event.workflowExecutionSignaledEventAttributes;
    const payload = signal?.input?.payloads?.[0];
    return signal?.signalName === REPORT_SIGNAL && payload
      ? [defaultPayloadConverter.fromPayload<WorkerReport>(payload)]
      : [];
  });
}

/** Whether a report tells of a slot so. */
export function tells(report: WorkerReport, what: 'released' | 'running', slot: string): boolean {
  const { stream, number } = parseSlot(slot)!;
  return NumberSet.from(report[what][stream] ?? '').has(number);
}
