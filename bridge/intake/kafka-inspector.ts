import { AssignerProtocol } from 'kafkajs';
import type { ResolvedConfig } from '../config/resolved.js';
import type { Logger } from '../observe/logger.js';
import { KafkaAdmin } from './kafka-admin.js';
import { kafkaClient } from './kafka-client.js';
import { delay } from '../timing.js';
import type { CommittedEntry, GroupFacts, KafkaInspectorPort } from './kafka-inspector-port.js';
import type { CommitEntry, PartitionLog, TopicPartition } from './record-source.js';

/** 2 is a topic, in Kafka's protocol. */
const TOPIC = 2;

/** After how long a question that failed is asked once more: somebody else's new topic may just get its leader. */
const AGAIN_MS = 500;

/**
 * The port against a real cluster. Nothing is connected before the first call. One question at a time: a failed one
 * closes the connection, and kafkajs then answers others that are under way with nothing instead of an error (it lists
 * the groups of no broker).
 */
export class KafkaInspector implements KafkaInspectorPort {
  readonly #admin: KafkaAdmin;
  readonly #groupId: string;
  #last: Promise<unknown> = Promise.resolve();
  #answered = false;

  constructor(kafka: ResolvedConfig['kafka'], logger: Logger) {
    this.#groupId = kafka.groupId;
    this.#admin = new KafkaAdmin(kafkaClient(kafka, logger), kafka.groupId);
  }

  async cluster(): Promise<{ readonly brokers: number }> {
    const { brokers } = await this.#inTurn(() => this.#admin.ask((admin) => admin.describeCluster()));
    return { brokers: brokers.length };
  }

  topics(): Promise<readonly string[]> {
    return this.#inTurn(() => this.#admin.topics());
  }

  logs(topics: readonly string[]): Promise<readonly PartitionLog[]> {
    return this.#inTurn(() => this.#admin.logs(topics));
  }

  committed(topics: readonly string[], groupId?: string): Promise<readonly CommittedEntry[]> {
    return this.#inTurn(() => this.#admin.committed(topics, groupId));
  }

  async group(): Promise<GroupFacts> {
    const { groups } = await this.#inTurn(() =>
      this.#admin.ask((admin) => admin.describeGroups([this.#groupId])),
    );
    const [group] = groups;
    return {
      state: group?.state ?? 'Unknown',
      members: (group?.members ?? []).map(({ clientId, clientHost, memberAssignment }) => ({
        clientId,
        host: clientHost,
        assigned: assignedIn(memberAssignment),
      })),
    };
  }

  async groupIds(): Promise<readonly string[]> {
    const { groups } = await this.#inTurn(() => this.#admin.ask((admin) => admin.listGroups()));
    return groups.filter(({ protocolType }) => protocolType !== 'connect').map(({ groupId }) => groupId);
  }

  async keepsForMs(topic: string): Promise<number | undefined> {
    const { resources } = await this.#inTurn(() =>
      this.#admin.ask((admin) =>
        admin.describeConfigs({
          includeSynonyms: false,
          resources: [{ type: TOPIC, name: topic, configNames: ['retention.ms', 'cleanup.policy'] }],
        }),
      ),
    );
    const settings = new Map(
      resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]),
    );
    const ms = Number(settings.get('retention.ms') ?? Number.NaN);
    const deletes = (settings.get('cleanup.policy') ?? 'delete').split(',').includes('delete');
    return deletes && Number.isFinite(ms) && ms >= 0 ? ms : undefined;
  }

  async positionsSince(topic: string, timestampMs: number): Promise<readonly CommitEntry[]> {
    const found = await this.#inTurn(() =>
      this.#admin.ask((admin) => admin.fetchTopicOffsetsByTimestamp(topic, timestampMs)),
    );
    return found.map(({ partition, offset }) => ({ topic, partition, position: BigInt(offset) }));
  }

  close(): Promise<void> {
    return this.#admin.close();
  }

  #inTurn<T>(question: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      try {
        const answer = await question();
        this.#answered = true;
        return answer;
      } catch (error) {
        // One that never answered has been tried often enough by kafkajs.
        if (!this.#answered) throw error;
        await delay(AGAIN_MS);
        return question();
      }
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

function assignedIn(bytes: Buffer): readonly TopicPartition[] {
  // A member that has just joined has none yet.
  const decoded = bytes.length === 0 ? null : AssignerProtocol.MemberAssignment.decode(bytes);
  return Object.entries(decoded?.assignment ?? {}).flatMap(([topic, partitions]) =>
    partitions.map((partition) => ({ topic, partition })),
  );
}
