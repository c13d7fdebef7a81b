import { ApplicationFailure } from '@temporalio/common';
import type { DispatchResult, QuarantineInput, QuarantineDecision } from '../workflows/contract.js';

/**
 * Maps a quarantined record again and starts it, with the configuration that this worker has now, and with another key or
 * value where somebody has decided so.
 * @returns `refused` with the reason, where it still can't be taken
 * @throws what is systemic: it is tried again
 */
export type Dispatch = (
  input: QuarantineInput,
  decision?: QuarantineDecision,
) => Promise<DispatchResult | { readonly refused: string; readonly reason: string }>;

/** Behind the workflow's own arguments stands the call's {@link HandlerCall}; a decision is known by its action. */
export function decisionIn(rest: readonly unknown[]): QuarantineDecision | undefined {
  return rest.find(
    (one): one is QuarantineDecision => typeof one === 'object' && one !== null && 'action' in one,
  );
}

/** The one activity of a quarantine workflow: it fails for good with the reason, or the record goes through. */
export async function dispatchRecord(
  input: QuarantineInput,
  dispatch: Dispatch,
  decision?: QuarantineDecision,
): Promise<DispatchResult> {
  if (input.raw === null && decision?.action !== 'replaceValue') {
    throw ApplicationFailure.nonRetryable(
      `${input.message} (only its place is kept here: ${input.topic}/${input.partition}/${input.offset}` +
        `${input.keptUntil === undefined ? '' : `; Kafka has it until ${input.keptUntil}`})`,
      `Ktb.${input.reason}`,
    );
  }
  const result = await dispatch(input, decision);
  if ('refused' in result) throw ApplicationFailure.nonRetryable(result.refused, `Ktb.${result.reason}`);
  return result;
}
