/** The subscription's name stands in the metadata of every offset that we commit, so that a group can't change hands unseen. */

interface Metadata {
  readonly ktb: 1;
  readonly name: string;
}

export function commitMetadata(name: string): string {
  return JSON.stringify({ ktb: 1, name } satisfies Metadata);
}

/** Undefined where the commit is not one of ours: a new group, or an operator's reset. */
export function subscriptionIn(metadata: string): string | undefined {
  try {
    const parsed = JSON.parse(metadata) as Partial<Metadata> | null;
    return typeof parsed?.ktb === 'number' && typeof parsed.name === 'string' ? parsed.name : undefined;
  } catch {
    return undefined;
  }
}
