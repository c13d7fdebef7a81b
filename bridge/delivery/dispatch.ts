import type { Dispatch } from '../../activities/index.js';
import type { QuarantineInput, QuarantineDecision } from '../../workflows/contract.js';
import type { RecordMapper } from '../intake/record-mapper.js';
import type { SourceRecord } from '../record.js';
import type { TemporalPort } from '../temporal/temporal-port.js';
import { TemporalFault } from '../temporal/temporal-port.js';
import { recordOf } from './quarantine-start.js';
import { startRecord, type StartScope } from './record-start.js';

/** What a quarantine workflow's activity does: the record's way once more, from its bytes, with today's configuration. */
export function createDispatch(mapper: RecordMapper, port: TemporalPort, scope: StartScope): Dispatch {
  return async (input, decision) => {
    const source = sourceOf(input, decision);
    if (!source) return { refused: input.message, reason: input.reason };
    if (input.subscription !== scope.name) {
      return {
        refused: `Expected a record of subscription \`${scope.name}\`, got one of \`${input.subscription}\``,
        reason: 'rejected',
      };
    }
    const mapped = await mapper.map(source, decision?.action === 'startAs' ? { key: decision.key } : {});
    if (mapped.kind === 'filtered') return { outcome: 'filtered', workflowId: null, runId: null };
    if (mapped.kind === 'quarantine') return { refused: mapped.message, reason: mapped.reason };
    try {
      const start = await startRecord(port, mapped, scope, Date.now());
      if (start.outcome === 'conflict' && mapped.route.onConflict === 'duplicate') {
        return { outcome: 'duplicate', workflowId: start.workflowId, runId: start.runId ?? null };
      }
      if (start.outcome === 'conflict' || start.outcome === 'foreign') {
        return { refused: start.message, reason: start.outcome };
      }
      return { outcome: start.outcome, workflowId: start.workflowId, runId: start.runId ?? null };
    } catch (error) {
      if (error instanceof TemporalFault && error.kind !== 'systemic') {
        return { refused: error.message, reason: error.kind };
      }
      throw error;
    }
  };
}

/** The record as it stood in the log; with another value, where somebody has given it one. */
function sourceOf(
  input: QuarantineInput,
  decision: QuarantineDecision | undefined,
): SourceRecord | undefined {
  if (decision?.action !== 'replaceValue') return recordOf(input);
  // Of a record that was too large only the place is known: it then has neither key nor headers.
  const source = recordOf({ ...input, raw: input.raw ?? { key: null, value: null, headers: {} } });
  return source && { ...source, value: Buffer.from(decision.value, 'base64') };
}
