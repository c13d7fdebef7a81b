import type { PartitionLog } from '../../intake/record-source.js';
import { counted, listText, spanText, type Check, type Checkup } from './checkup.js';
import { ok, problem, skipped, warning, type Observation } from './finding.js';

const keyOf = ({ topic, partition }: { readonly topic: string; readonly partition: number }) =>
  `${topic}/${partition}`;

export const groupCheck: Check = {
  name: 'group',
  needs: ['kafka'],
  look: async (checkup) => {
    const { groupId } = checkup.config.kafka;
    const { state, members } = await checkup.kafka.group();
    if (state === 'Empty' || state === 'Dead' || members.length === 0) {
      return [
        problem(
          `Group ${groupId} has no members: nobody reads the topics`,
          'Start `ktb bridge`; a bridge that runs and does not join says in its log what it waits for.',
        ),
      ];
    }
    if (state !== 'Stable') {
      return [
        warning(
          `Group ${groupId} is being rebalanced (${state}), with ${counted(members.length, 'member')}`,
          'Look again in a minute. If it stays so, a bridge restarts again and again: its log says why.',
        ),
      ];
    }
    const read = new Set(members.flatMap(({ assigned }) => assigned.map(keyOf)));
    const unread = (await checkup.logs()).map(keyOf).filter((key) => !read.has(key));
    if (unread.length > 0) {
      return [
        problem(
          `Group ${groupId} reads only a part: nobody has ${listText(unread)}`,
          'Restart the bridges with one and the same configuration: members that subscribe to different topics leave some unread.',
        ),
      ];
    }
    return [ok(`Group ${groupId} is stable: ${counted(members.length, 'member')}`)];
  },
};

export const subscriptionCheck: Check = {
  name: 'subscription',
  needs: ['kafka'],
  look: async (checkup) => {
    const { name, kafka } = checkup.config;
    const others = new Set(
      (await checkup.marks()).map((mark) => mark.name).filter((other) => other !== name),
    );
    if (others.size > 0) {
      return [
        problem(
          `Group ${kafka.groupId} has commits of another subscription: ${listText([...others])} instead of ${name}`,
          'A bridge refuses to start on it: the name is part of every ID. Take the old name or another `kafka.groupId`, or start once with `ktb bridge --rename`.',
        ),
      ];
    }
    return [ok(`Nobody but ${name} has committed in group ${kafka.groupId}`)];
  },
};

/** Positions that the log does not have: lost below its start, another topic's beyond its end. */
export const offsetsCheck: Check = {
  name: 'offsets',
  needs: ['kafka'],
  look: async (checkup) => {
    const { groupId } = checkup.config.kafka;
    const [logs, committed] = await Promise.all([checkup.logs(), checkup.committed()]);
    if (committed.length === 0) return [skipped('Not checked: the group has committed nothing yet')];
    const logOf = new Map(logs.map((log) => [keyOf(log), log]));
    const found: Observation[] = [];
    for (const at of committed) {
      const log = logOf.get(keyOf(at));
      if (!log) continue;
      if (at.position < log.start) {
        found.push(
          problem(
            `${keyOf(at)}: the records ${at.position} to ${log.start - 1n} are gone: retention took them before they were read`,
            "What is lost must come from its producer again. Raise the topic's `retention.ms`, and watch the lag; `kafka.onLostRange` says whether a bridge goes on.",
          ),
        );
      } else if (at.position > log.end) {
        found.push(
          problem(
            `${keyOf(at)}: the group stands at ${at.position}, but the log ends at ${log.end}: the topic was made anew or truncated`,
            `Stop the bridges and set the group to where it should read from, e.g. \`kafka-consumer-groups.sh --group ${groupId} --topic ${at.topic}:${at.partition} --reset-offsets --to-earliest --execute\`.`,
          ),
        );
      }
    }
    return found.length > 0
      ? found
      : [ok(`All committed positions are in the log (${counted(committed.length, 'partition')})`)];
  },
};

/** Lag is how Kafka works; what is not read before retention comes is lost. */
export const lagCheck: Check = {
  name: 'lag',
  needs: ['kafka'],
  look: async (checkup) => {
    const logs = await checkup.logs();
    if (logs.length === 0) return [skipped('Not checked: none of the topics exists')];
    const behind = await unreadOf(checkup, logs);
    const lag = behind.reduce((sum, { log, next }) => sum + (log.end - next), 0n);
    const found: Observation[] = [];
    for (const [topic, keptMs] of await checkup.keepsForMs()) {
      const here = behind.filter(({ log }) => log.topic === topic);
      if (keptMs === undefined || here.length === 0) continue;
      const young = new Map(
        (await checkup.kafka.positionsSince(topic, checkup.now() - keptMs / 2)).map((at) => [
          at.partition,
          at.position,
        ]),
      );
      const old = here.filter(({ log, next }) => next < (young.get(log.partition) ?? 0n));
      if (old.length === 0) continue;
      found.push(
        warning(
          `${listText(old.map(({ log }) => keyOf(log)))}: the next record to read is older than half of the topic's retention (${spanText(keptMs)})`,
          "Bring the lag down (more workers, a held route let go), or raise the topic's `retention.ms` before records are lost.",
        ),
      );
    }
    return found.length > 0 ? found : [ok(`Lag: ${lag} in ${counted(behind.length, 'partition')}`)];
  },
};

interface Unread {
  readonly log: PartitionLog;
  readonly next: bigint;
}

async function unreadOf(checkup: Checkup, logs: readonly PartitionLog[]): Promise<readonly Unread[]> {
  const positions = new Map((await checkup.committed()).map((at) => [keyOf(at), at.position]));
  const begin = ({ start, end }: PartitionLog) => (checkup.config.kafka.startFrom === 'end' ? end : start);
  return logs
    .map((log) => {
      const next = positions.get(keyOf(log)) ?? begin(log);
      return { log, next: next < log.start ? log.start : next };
    })
    .filter(({ log, next }) => next < log.end);
}
