import type { ResolvedConfig } from '../config/resolved.js';
import type { MappedRecord } from '../intake/mapped-record.js';

/** What stands for every value that is not on a list of ours. */
export const OTHER = 'other';

/** A pattern may match any number of topics. */
const TOPICS = 200;

/** Names that come from outside: the first ones stand for themselves, and what is beyond them is `other`. */
export class TopicLabels {
  readonly #known: Set<string>;
  readonly #limit: number;

  /** @param known may be more than are taken otherwise */
  constructor(known: Iterable<string> = []) {
    this.#known = new Set(known);
    this.#limit = Math.max(TOPICS, this.#known.size);
  }

  of(name: string): string {
    if (this.#known.has(name)) return name;
    if (this.#known.size >= this.#limit) return OTHER;
    this.#known.add(name);
    return name;
  }
}

/** Label values come from lists that the configuration bounds: a hostile record, or a thousand topics, make no new series. */
export class Labels {
  readonly #eventTypes: ReadonlySet<string>;
  readonly #routes: ReadonlySet<string>;
  readonly #topics: TopicLabels;

  constructor({ routes }: Pick<ResolvedConfig, 'routes'>) {
    this.#eventTypes = new Set(routes.flatMap(({ eventTypes }) => [...(eventTypes ?? [])]));
    this.#routes = new Set(routes.map(({ id }) => id));
    this.#topics = new TopicLabels(routes.flatMap(({ topic }) => (typeof topic === 'string' ? [topic] : [])));
  }

  eventType(record: MappedRecord): string {
    const known = record.route?.eventTypes;
    const type = record.kind === 'deliver' ? record.info.eventType : undefined;
    if (type !== undefined && type !== null) return this.#eventTypes.has(type) ? type : OTHER;
    // A route of one type has taken it: then it is of that type.
    return known?.size === 1 ? [...known][0]! : OTHER;
  }

  route(id: string | undefined): string {
    return id !== undefined && this.#routes.has(id) ? id : OTHER;
  }

  topic(name: string): string {
    return this.#topics.of(name);
  }
}
