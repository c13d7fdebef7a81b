/**
 * What a bridge writes beside every offset that it commits, so that a group can't change hands unseen, and so that
 * others (`ktb doctor`) see who reads the topic, and how, without asking the bridge. Kafka takes 4 kB by default.
 */

/** The subscription that committed an offset. All but the name is missing in commits of older versions. */
export interface SubscriptionMark {
  readonly name: string;
  readonly idPrefix?: string;
  /** Temporal's: in another namespace the same IDs are others. */
  readonly namespace?: string;
  /** What bridge and workers must agree on, as a hash: see config/fingerprint.ts. */
  readonly fingerprint?: string;
}

interface Metadata extends SubscriptionMark {
  readonly ktb: 1;
  readonly reach?: string;
}

/** @param reach see {@link CommitEntry} */
export function commitMetadata(
  { name, idPrefix, namespace, fingerprint }: SubscriptionMark,
  reach?: bigint,
): string {
  return JSON.stringify({ ktb: 1, name, idPrefix, namespace, fingerprint, reach: reach?.toString() });
}

/** How far starts of the committer may reach; undefined where its routes did not conflate, or it is not one of ours. */
export function reachIn(metadata: string): bigint | undefined {
  try {
    const { reach } = JSON.parse(metadata) as Partial<Metadata>;
    return typeof reach === 'string' && /^\d{1,19}$/.test(reach) ? BigInt(reach) : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined where the commit is not one of ours: a new group, or an operator's reset. */
export function subscriptionMarkIn(metadata: string): SubscriptionMark | undefined {
  try {
    const parsed = JSON.parse(metadata) as Partial<Metadata> | null;
    if (typeof parsed?.ktb !== 'number' || typeof parsed.name !== 'string') return undefined;
    const { name, idPrefix, namespace, fingerprint } = parsed;
    return {
      name,
      ...(typeof idPrefix === 'string' ? { idPrefix } : {}),
      ...(typeof namespace === 'string' ? { namespace } : {}),
      ...(typeof fingerprint === 'string' ? { fingerprint } : {}),
    };
  } catch {
    return undefined;
  }
}

/** The name alone: see {@link subscriptionMarkIn}. */
export function subscriptionIn(metadata: string): string | undefined {
  return subscriptionMarkIn(metadata)?.name;
}
