import { deadLetterTopicFor } from '../../config/dead-letter-topic.js';
import { topicMatcher } from '../../config/topic-pattern.js';
import type { ResolvedRoute } from '../../config/resolved.js';
import { isCloud } from '../search-attributes.js';
import { counted, listText, spanText, type Check } from './checkup.js';
import { ok, problem, skipped, warning, type Observation } from './finding.js';

export const topicsCheck: Check = {
  name: 'topics',
  needs: ['kafka'],
  look: async (checkup) => {
    const topics = await checkup.topics();
    const found: Observation[] = [];
    for (const { id, topic } of checkup.config.routes) {
      if (topics.some(topicMatcher(topic))) continue;
      found.push(
        typeof topic === 'string'
          ? problem(
              `Topic ${topic} of route \`${id}\` does not exist`,
              'Create it (`kafka-topics.sh --create --topic ' +
                `${topic} --partitions N\`), or correct the route; a running bridge finds it by itself.`,
            )
          : warning(
              `The pattern ${String(topic)} of route \`${id}\` matches no topic`,
              'Correct the pattern (it must match a whole name); topics that are made later are found by themselves.',
            ),
      );
    }
    found.push(...missingDeadLetterTopics(checkup.config.routes, topics, new Set(await checkup.allTopics())));
    if (found.length > 0) return found;
    const logs = await checkup.logs();
    const partitions = topics.map((topic) => logs.filter((log) => log.topic === topic).length);
    const named = topics.map((topic, index) => `${topic} (${partitions[index]})`);
    return [ok(`${counted(topics.length, 'topic')}, by partitions: ${listText(named)}`)];
  },
};

/** Of patterns, those of the topics that are there. */
function missingDeadLetterTopics(
  routes: readonly ResolvedRoute[],
  topics: readonly string[],
  present: ReadonlySet<string>,
): readonly Observation[] {
  return routes.flatMap((route) => {
    const { topic } = route;
    const read = typeof topic === 'string' ? [topic] : topics.filter(topicMatcher(topic));
    const names = new Set(read.map((one) => deadLetterTopicFor(route, one)));
    const missing = [...names].filter((name) => name !== undefined && !present.has(name));
    if (missing.length === 0) return [];
    return [
      warning(
        `${listText(missing as string[])}, for dead letters of route \`${route.id}\`, does not exist`,
        'A running bridge makes it where it may; else create it (`kafka-topics.sh --create --topic ' +
          `${missing[0]}\`). Until then its dead letters wait in Temporal.`,
      ),
    ];
  });
}

/** A rewind brings back what the topics keep; only what the namespace keeps is recognised. */
export const retentionCheck: Check = {
  name: 'retention',
  needs: ['temporal', 'kafka'],
  look: async (checkup) => {
    const { retentionMs } = await checkup.namespace();
    const { address, namespace } = checkup.config.temporal;
    const kept = await checkup.keepsForMs();
    if (kept.size === 0) return [skipped('Not checked: none of the topics exists')];
    if (retentionMs === undefined || retentionMs === 0)
      return [ok(`Namespace ${namespace} keeps closed executions without an end`)];
    const longer = [...kept].filter(([, ms]) => ms === undefined || ms > retentionMs);
    if (longer.length === 0) {
      const longest = Math.max(...[...kept.values()].map(Number));
      return [
        ok(
          `Namespace ${namespace} keeps closed executions for ${spanText(retentionMs)}, topics their records for at most ${spanText(longest)}`,
        ),
      ];
    }
    const named = longer.map(([topic, ms]) => `${topic} for ${ms === undefined ? 'ever' : spanText(ms)}`);
    const ends = longer.map(([, ms]) => ms).filter((ms) => ms !== undefined);
    const days = Math.ceil(Math.max(retentionMs, ...ends) / 86_400_000);
    const command = isCloud(address)
      ? `tcld namespace retention set --namespace ${namespace} --retention-days ${days}`
      : `temporal operator namespace update --namespace ${namespace} --retention ${days * 24}h`;
    return [
      warning(
        `Namespace ${namespace} keeps closed executions for ${spanText(retentionMs)}, but records are kept longer: ${listText(named)}. ` +
          'A record that a rewind brings back later than that is handled again',
        ends.length > 0
          ? `Keep executions as long as records (\`${command}\`), or shorten the topic's \`retention.ms\`.`
          : "No namespace keeps anything for ever: rewind such a topic no further back than the namespace's retention.",
      ),
    ];
  },
};
