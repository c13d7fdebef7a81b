import { ApplicationFailure } from '@temporalio/common';
import type { DispatchResult, QuarantineInput } from '../workflows/contract.js';

/**
 * Maps a quarantined record again and starts it, with the configuration that this worker has now.
 * @returns `refused` with the reason, where it still can't be taken
 * @throws what is systemic: it is tried again
 */
export type Dispatch = (
  input: QuarantineInput,
) => Promise<DispatchResult | { readonly refused: string; readonly reason: string }>;

/** The one activity of a quarantine workflow: it fails for good with the reason, or the record goes through. */
export async function dispatchRecord(input: QuarantineInput, dispatch: Dispatch): Promise<DispatchResult> {
  if (input.raw === null) {
    throw ApplicationFailure.nonRetryable(
      `${input.message} (only its place is kept here: ${input.topic}/${input.partition}/${input.offset}` +
        `${input.keptUntil === undefined ? '' : `; Kafka has it until ${input.keptUntil}`})`,
      `Ktb.${input.reason}`,
    );
  }
  const result = await dispatch(input);
  if ('refused' in result) throw ApplicationFailure.nonRetryable(result.refused, `Ktb.${result.reason}`);
  return result;
}
