/** What the bridge noted about an execution, read with care: a memo may be anybody's. */
export interface NotedRecord {
  readonly subscription: string | undefined;
  readonly route: string;
  readonly key: string | null;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  /** Epoch milliseconds; undefined where it is not noted. */
  readonly timestamp: number | undefined;
}

export function notedRecordOf(memo: Readonly<Record<string, unknown>>): NotedRecord {
  const text = (name: string) => (typeof memo[name] === 'string' ? memo[name] : undefined);
  return {
    subscription: text('subscription'),
    route: text('route') ?? '',
    key: text('key') ?? null,
    topic: text('topic') ?? '',
    partition: typeof memo['partition'] === 'number' ? memo['partition'] : 0,
    offset: text('offset') ?? '0',
    timestamp: typeof memo['timestamp'] === 'number' ? memo['timestamp'] : undefined,
  };
}
