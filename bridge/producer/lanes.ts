import { Lane } from './lane.js';
import type { Outgoing } from './outgoing.js';

interface TopicLanes {
  /** Of records whose partition is not known yet. */
  unplaced: Lane | undefined;
  readonly placed: Map<number, Lane>;
}

/**
 * The lanes in which something stands. By topic, then by number: a key of both would be put together, and hashed, for
 * each record.
 */
export class Lanes implements Iterable<Lane> {
  readonly #topics = new Map<string, TopicLanes>();

  *[Symbol.iterator](): Generator<Lane> {
    for (const { unplaced, placed } of this.#topics.values()) {
      if (unplaced) yield unplaced;
      yield* placed.values();
    }
  }

  /** `partition` is `undefined`: the one of what is not placed yet. */
  of(topic: string, partition: number | undefined): Lane {
    let lanes = this.#topics.get(topic);
    if (!lanes) this.#topics.set(topic, (lanes = { unplaced: undefined, placed: new Map() }));
    if (partition === undefined) return (lanes.unplaced ??= new Lane(topic, undefined));
    let lane = lanes.placed.get(partition);
    if (!lane) lanes.placed.set(partition, (lane = new Lane(topic, partition)));
    return lane;
  }

  unplaced(topic: string): Lane | undefined {
    return this.#topics.get(topic)?.unplaced;
  }

  /** Takes a record out of the lane in which it stands. */
  remove(record: Outgoing): void {
    const lanes = this.#topics.get(record.topic);
    const placed = record.partition === undefined ? undefined : lanes?.placed.get(record.partition);
    if (!placed?.remove(record)) lanes?.unplaced?.remove(record);
  }

  /** Nothing stands in it any more. Names that somebody made up must not stay. */
  leave({ topic, partition }: Lane): void {
    const lanes = this.#topics.get(topic)!;
    if (partition === undefined) lanes.unplaced = undefined;
    else lanes.placed.delete(partition);
    if (lanes.unplaced === undefined && lanes.placed.size === 0) this.#topics.delete(topic);
  }
}
