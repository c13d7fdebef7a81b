import type { RecordInfo } from '../../workflows/contract.js';
import { isToTarget, type ResolvedRoute } from '../config/resolved.js';
import { isCleanText, isWellFormed } from '../config/rules.js';
import { MAX_ID_BYTES, OWN_PREFIX } from '../temporal/ids.js';
import { isPromise } from './idempotency-key.js';
import { compilePointer } from './json-pointer.js';
import { oneLine, thrownText } from './one-line.js';

/** Whom a record goes to; `id: undefined` where its route starts an execution of its own. */
export type TargetId =
  { readonly ok: true; readonly id: string | undefined } | { readonly ok: false; readonly message: string };

/** It never throws. */
export type TargetReader = (event: unknown, info: RecordInfo) => TargetId;

/** Reads the ID of the workflow that a signal or an update goes to. It is the user's own ID, so it is taken verbatim. */
export function createTargetReader(route: Pick<ResolvedRoute, 'target'>): TargetReader {
  const { target } = route;
  if (!isToTarget(target)) return () => ({ ok: true, id: undefined });
  const { workflowId } = target;
  if (typeof workflowId === 'function') {
    return (event, info) => {
      try {
        return targetId(workflowId(event, info), "the route's `workflowId` function to give");
      } catch (error) {
        return wrong(`The route's \`workflowId\` function failed: ${thrownText(error)}`);
      }
    };
  }
  const lookUp = compilePointer(workflowId);
  return (event) => targetId(lookUp(event), `the event to have at ${JSON.stringify(workflowId)}`);
}

function targetId(value: unknown, whose: string): TargetId {
  const expected = `Expected ${whose} a workflow's ID`;
  if (value === undefined || value === null || value === '') return wrong(`${expected}, got none`);
  if (isPromise(value)) return wrong(`${expected}, got a promise: it must be synchronous`);
  // A number beyond 2^53 has lost its last digits by now: it would be somebody else's ID.
  const id = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof id !== 'string')
    return wrong(`${expected}, a string or a whole number below 2^53, got a value of type ${typeof value}`);
  if (!isCleanText(id) || !isWellFormed(id))
    return wrong(
      `${expected} without control characters and lone surrogates, got ${JSON.stringify(id.slice(0, 100))}`,
    );
  if (id.startsWith(OWN_PREFIX))
    return wrong(
      `${expected} that doesn't begin with '${OWN_PREFIX}', got ${oneLine(id, 100)}: that is one of ours`,
    );
  const bytes = Buffer.byteLength(id);
  if (bytes > MAX_ID_BYTES) return wrong(`${expected} of at most ${MAX_ID_BYTES} bytes, got one of ${bytes}`);
  return { ok: true, id };
}

function wrong(message: string): TargetId {
  return { ok: false, message: oneLine(message) };
}
