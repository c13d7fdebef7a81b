import { activityInfo, type Info } from '@temporalio/activity';
import { BridgeError } from '../errors.js';
import { boundedId, coordinatesText, OWN_PREFIX } from '../temporal/ids.js';
import { ACTIVITY_ROUTE_WORKFLOW, type RecordInfo } from '../../workflows/contract.js';

/** Which effect of which record: the key of a row, each part at most 255 bytes. Rows exist under it: it never changes. */
export interface EffectIdentity {
  /** Temporal's namespace, and the workflow's ID in it; both '' outside of an activity. */
  readonly namespace: string;
  readonly execution: string;
  /** The idempotency key, else the coordinates: one execution may handle several records. */
  readonly record: string;
  /** The name that was given, else the activity's type. */
  readonly effect: string;
}

/** The call that asks. */
export interface EffectCall {
  readonly identity: EffectIdentity;
  readonly activityId: string | null;
  /**
   * Whether another activity ID under the same identity can only be a repetition: the effect was named, or the workflow
   * is ours, which has one activity, and schedules it anew after a Reset.
   */
  readonly repeatsOnly: boolean;
}

/**
 * @throws BridgeError `KTB_USAGE`: not a record, not a name; no name outside of an activity
 */
export function effectCall(record: RecordInfo, name: string | undefined): EffectCall {
  if (name !== undefined && (typeof name !== 'string' || name === '')) {
    throw new BridgeError(
      'KTB_USAGE',
      `Expected \`name\` to be a text that isn't empty, got ${JSON.stringify(name)}`,
    );
  }
  const info = currentActivity();
  const effect = name ?? info?.activityType;
  if (effect === undefined) {
    throw new BridgeError(
      'KTB_USAGE',
      'Expected `name` to be given outside of an activity, whose type it would be by default, got none',
    );
  }
  return {
    identity: {
      namespace: boundedId(info?.namespace ?? ''),
      execution: info === undefined ? '' : boundedId(executionOf(info)),
      record: boundedId(recordKey(record)),
      effect: boundedId(effect),
    },
    activityId: info?.activityId ?? null,
    repeatsOnly: name !== undefined || info?.workflowType === ACTIVITY_ROUTE_WORKFLOW,
  };
}

/** The workflow's ID, since it says by route and prefix whose key it is. An activity without a workflow has its own. */
function executionOf(info: Info): string {
  return info.workflowExecution?.workflowId ?? `${OWN_PREFIX}activity/${info.activityId}`;
}

function recordKey(record: RecordInfo): string {
  const given = record as Partial<RecordInfo> | null | undefined;
  if (typeof given?.topic !== 'string' || !/^-?\d+$/.test(given.offset ?? '')) {
    throw new BridgeError(
      'KTB_USAGE',
      `Expected \`record\` to be what the handler gets beside the event, got ${JSON.stringify(record)?.slice(0, 200)}`,
    );
  }
  if (record.idempotencyKey !== null && record.idempotencyKey !== undefined) return record.idempotencyKey;
  const { topic, partition, offset, timestamp } = record;
  return `${OWN_PREFIX}record/${coordinatesText({ topic, partition, offset: BigInt(offset), timestampMs: timestamp })}`;
}

function currentActivity(): Info | undefined {
  try {
    return activityInfo();
  } catch {
    return undefined; // it throws outside of an activity, and has no way to ask before
  }
}
