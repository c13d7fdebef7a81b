import { subscriptionMarkIn } from '../../intake/subscription.js';
import { OWN_PREFIX } from '../../temporal/ids.js';
import type { StartedExecution } from '../../temporal/inspector-port.js';
import { listText, type Check, type Checkup } from './checkup.js';
import { ok, problem, skipped, warning, type Observation } from './finding.js';

/** So many are looked at: a cluster or a namespace may hold thousands, and a report must end. */
const MAX_GROUPS = 300;
const MAX_TOPICS = 20;
const MAX_EXECUTIONS = 50;

const ADVICE =
  'Give one of the two an `idPrefix` before it starts, or another namespace: keys that both have are `foreign` to the second, and after twenty in a row it holds the route.';

/** Who else reads our topics, and under which IDs. */
interface OtherSubscription {
  readonly name: string;
  /** Undefined where a bridge of an older version left it out. */
  readonly idPrefix: string | undefined;
  readonly seen: string;
}

/** Two subscriptions of one topic in one namespace take each other's keys for foreign, unless their prefixes differ. */
export const idPrefixCheck: Check = {
  name: 'id-prefix',
  needs: ['temporal', 'kafka'],
  look: async (checkup) => {
    if ((await checkup.topics()).length === 0) return [skipped('Not checked: none of the topics exists')];
    const [inKafka, inTemporal] = await Promise.all([byCommits(checkup), byExecutions(checkup)]);
    const others = new Map<string, OtherSubscription>();
    // What an execution shows of a prefix is more than an older commit says.
    for (const other of [...inKafka, ...inTemporal]) {
      const known = others.get(other.name);
      if (known?.idPrefix === undefined) others.set(other.name, other);
    }
    const { idPrefix } = checkup.config;
    const found: Observation[] = [];
    for (const other of others.values()) {
      if (other.idPrefix === undefined) {
        found.push(
          warning(
            `Subscription ${other.name} reads the same topics (${other.seen}); its \`idPrefix\` is not known here`,
            `See that it differs from ${JSON.stringify(idPrefix)}, or that it starts into another namespace.`,
          ),
        );
      } else if (other.idPrefix === idPrefix) {
        const same =
          idPrefix === ''
            ? 'neither has an `idPrefix`'
            : `both have \`idPrefix\` ${JSON.stringify(idPrefix)}`;
        found.push(
          problem(`Subscription ${other.name} reads the same topics (${other.seen}), and ${same}`, ADVICE),
        );
      }
    }
    if (found.length > 0) return found;
    return [
      ok(
        others.size === 0
          ? 'No other subscription reads these topics into this namespace'
          : `Others that read these topics have other prefixes: ${listText([...others.keys()])}`,
      ),
    ];
  },
};

/** Other groups' commits on our topics, where a bridge made them. */
async function byCommits(checkup: Checkup): Promise<readonly OtherSubscription[]> {
  const { name, kafka, temporal } = checkup.config;
  const topics = await checkup.topics();
  const groups = (await checkup.kafka.groupIds()).filter((id) => id !== kafka.groupId).slice(0, MAX_GROUPS);
  const found: OtherSubscription[] = [];
  for (const id of groups) {
    for (const { metadata } of await checkup.kafka.committed(topics, id)) {
      const mark = subscriptionMarkIn(metadata);
      if (mark === undefined || mark.name === name) continue;
      if (mark.namespace !== undefined && mark.namespace !== temporal.namespace) continue;
      found.push({ name: mark.name, idPrefix: mark.idPrefix, seen: `group ${id}` });
    }
  }
  return found;
}

/** What other subscriptions have started from our topics: it also tells of those on another Kafka cluster's mirror. */
async function byExecutions(checkup: Checkup): Promise<readonly OtherSubscription[]> {
  // Without it no query finds them; the missing attribute is a finding of its own.
  if ((await checkup.searchAttributes()).get('KtbRecord') !== 'Keyword') return [];
  const topics = (await checkup.topics()).slice(0, MAX_TOPICS);
  const started = await Promise.all(
    topics.flatMap((topic) => [
      checkup.temporal.startedFrom(topic, { notOn: [], limit: MAX_EXECUTIONS }),
      checkup.temporal.startedFrom(topic, { notOn: checkup.workerQueues, limit: MAX_EXECUTIONS }),
    ]),
  );
  return started.flat().flatMap((execution) => {
    const idPrefix = prefixOf(execution);
    const { subscription, workflowId } = execution;
    if (subscription === undefined || subscription === checkup.config.name || idPrefix === undefined)
      return [];
    return [{ name: subscription, idPrefix, seen: `execution ${workflowId}` }];
  });
}

/** What stands before the key, or before `<route>/<key>`; undefined where the ID is not made of a key alone. */
export function prefixOf({ workflowId, route, key }: StartedExecution): string | undefined {
  if (key === undefined || key === '' || workflowId.startsWith(OWN_PREFIX) || !workflowId.endsWith(key))
    return undefined;
  const before = workflowId.slice(0, -key.length);
  const routed = `${route ?? ''}/`;
  return before.endsWith(routed) ? before.slice(0, -routed.length) : before;
}
