import type { PartitionResult } from './sender.js';

/** What a broker's error says of a batch (numbers and names of Kafka's protocol). */
interface Meaning {
  readonly name: string;
  readonly kind:
    'moved' | 'perhaps' | 'not-now' | 'unknown-topic' | 'too-large' | 'out-of-sequence' | 'refused';
}

const MEANINGS = new Map<number, Meaning>([
  [-1, { name: 'UNKNOWN_SERVER_ERROR', kind: 'perhaps' }],
  [2, { name: 'CORRUPT_MESSAGE', kind: 'not-now' }],
  [3, { name: 'UNKNOWN_TOPIC_OR_PARTITION', kind: 'unknown-topic' }],
  [5, { name: 'LEADER_NOT_AVAILABLE', kind: 'moved' }],
  [6, { name: 'NOT_LEADER_OR_FOLLOWER', kind: 'moved' }],
  // Written by the leader, but not by all replicas in time.
  [7, { name: 'REQUEST_TIMED_OUT', kind: 'perhaps' }],
  [8, { name: 'BROKER_NOT_AVAILABLE', kind: 'moved' }],
  [9, { name: 'REPLICA_NOT_AVAILABLE', kind: 'moved' }],
  [10, { name: 'MESSAGE_TOO_LARGE', kind: 'too-large' }],
  [13, { name: 'NETWORK_EXCEPTION', kind: 'perhaps' }],
  [17, { name: 'INVALID_TOPIC_EXCEPTION', kind: 'refused' }],
  [18, { name: 'RECORD_LIST_TOO_LARGE', kind: 'too-large' }],
  [19, { name: 'NOT_ENOUGH_REPLICAS', kind: 'not-now' }],
  [20, { name: 'NOT_ENOUGH_REPLICAS_AFTER_APPEND', kind: 'perhaps' }],
  [29, { name: 'TOPIC_AUTHORIZATION_FAILED', kind: 'refused' }],
  [31, { name: 'CLUSTER_AUTHORIZATION_FAILED', kind: 'refused' }],
  [32, { name: 'INVALID_TIMESTAMP', kind: 'refused' }],
  [43, { name: 'UNSUPPORTED_FOR_MESSAGE_FORMAT', kind: 'refused' }],
  [45, { name: 'OUT_OF_ORDER_SEQUENCE_NUMBER', kind: 'out-of-sequence' }],
  [47, { name: 'INVALID_PRODUCER_EPOCH', kind: 'out-of-sequence' }],
  [56, { name: 'KAFKA_STORAGE_ERROR', kind: 'perhaps' }],
  [59, { name: 'UNKNOWN_PRODUCER_ID', kind: 'out-of-sequence' }],
  [74, { name: 'FENCED_LEADER_EPOCH', kind: 'moved' }],
  [75, { name: 'UNKNOWN_LEADER_EPOCH', kind: 'moved' }],
  [76, { name: 'UNSUPPORTED_COMPRESSION_TYPE', kind: 'refused' }],
  [87, { name: 'INVALID_RECORD', kind: 'refused' }],
  [89, { name: 'THROTTLING_QUOTA_EXCEEDED', kind: 'not-now' }],
]);

/** An error that we don't know: it may have been written, and is tried again. */
function meaningOf(code: number): Meaning {
  return MEANINGS.get(code) ?? { name: `error ${code}`, kind: 'perhaps' };
}

export interface Answered {
  readonly result: PartitionResult;
  /** The leaders are to be asked for anew. */
  readonly moved: boolean;
}

export function resultOfError(code: number): Answered {
  const { name, kind } = meaningOf(code);
  const why = `the broker answers ${name}`;
  switch (kind) {
    case 'unknown-topic':
      return { result: { kind, why }, moved: true };
    case 'out-of-sequence':
      return { result: { kind, why }, moved: false };
    case 'refused':
    case 'too-large':
      return { result: { kind: 'refused', tooLarge: kind === 'too-large', why }, moved: false };
    case 'moved':
    case 'not-now':
    case 'perhaps':
      return {
        // A leader that moved may have written it before: it answers so, too, while it waits for the other replicas.
        result: { kind: 'retry', left: kind !== 'not-now', away: false, why },
        moved: kind === 'moved',
      };
  }
}
