import type { Coordinates, SourceRecord } from '../record.js';

/** What publishing dead letters asks of Kafka, beside sending. The adapter is `KafkaLookup`. */
export interface RecordLookup {
  /**
   * The record that stands there; undefined where the log has it no more, or the topic was made anew since.
   * @throws where Kafka is away
   */
  recordAt(at: Coordinates): Promise<SourceRecord | undefined>;
  /** Makes a topic that is missing, where we may: where we may not, who sends to it hears of it. */
  makeTopic(topic: string): Promise<void>;
  close(): Promise<void>;
}
