import { ApplicationFailure } from '@temporalio/workflow';
import type { PublishedEvent } from './contract.js';

/** On the global object, since a bundle may hold this package twice; each workflow has a global object of its own. */
const NAMES = Symbol.for('ktb.publishedNames');

/** What a name stands for. */
interface Named {
  readonly topic: string;
  readonly event: unknown;
  readonly key?: string | null;
  readonly name?: string;
}

interface Known {
  readonly content: number;
  /** Of the publish that is under way or done; `undefined` when it failed. */
  published: Promise<PublishedEvent> | undefined;
}

/**
 * The names that a run has published under. A name is an event: again, it gets the first one's place, and for another event
 * it is an error. Nothing is ever told apart by counting, which a change of the code would shift.
 */
export class PublishedNames {
  readonly #known = new Map<string, Known>();

  static ofWorkflow(): PublishedNames {
    const globals = globalThis as { [NAMES]?: PublishedNames };
    return (globals[NAMES] ??= new PublishedNames());
  }

  /** Publishes events together, or gives back what was published before. @throws ApplicationFailure `KTB_USAGE` */
  async once(
    events: readonly Named[],
    publish: () => Promise<readonly PublishedEvent[]>,
  ): Promise<PublishedEvent[]> {
    const before = this.#before(events);
    if (before) return Promise.all(before);
    const published = publish();
    for (const [index, event] of events.entries()) {
      const known: Known = {
        content: contentOf(event),
        published: published.then((all) => all[index]!),
      };
      // A failed one may be tried again by whoever caught the failure.
      known.published!.catch(() => (known.published = undefined));
      this.#known.set(event.name ?? '', known);
    }
    return [...(await published)];
  }

  /** Undefined where they are to be published. */
  #before(events: readonly Named[]): readonly Promise<PublishedEvent>[] | undefined {
    const before: Promise<PublishedEvent>[] = [];
    const together = new Set<string>();
    for (const event of events) {
      const { name } = event;
      const known = this.#known.get(name ?? '');
      const others = this.#known.size - (known ? 1 : 0) + events.length - 1;
      if (name === undefined && (others > 0 || known?.published)) {
        throw misuse(
          `Expected each event that this workflow publishes to have a \`name\` of its own, got none for an event to ${event.topic}: ` +
            "another one is published too, and only names tell them apart after a Reset (as in { name: 'reserved' })",
        );
      }
      if (together.has(name ?? '') || (known && known.content !== contentOf(event))) {
        throw misuse(
          `Expected each event that this workflow publishes to have a \`name\` of its own, got '${name}' for two events: ` +
            'put what differs into the name, as the ID of what the event is about',
        );
      }
      together.add(name ?? '');
      if (known?.published) before.push(known.published);
    }
    if (before.length === 0) return undefined;
    if (before.length === events.length) return before;
    throw misuse(
      'Expected events of one transaction to be published together, got some that were published before',
    );
  }
}

export function usage(what: string, expected: string, got: unknown): ApplicationFailure {
  return misuse(`Expected ${what} to be ${expected}, got ${shown(got)}`);
}

/** No retry mends it: the workflow fails, and is replayed when the code is mended. */
function misuse(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, 'KTB_USAGE');
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 100));
  return value === null || typeof value !== 'object' ? String(value) : 'an object';
}

/** A hash of what an event is, so that a workflow with many events does not keep them all. */
function contentOf({ topic, key, event }: Named): number {
  return hash(`${topic} ${JSON.stringify(key ?? null)} ${textOf(event)}`);
}

function textOf(event: unknown): string {
  if (event instanceof Uint8Array) return `bytes ${[...event].join()}`;
  try {
    return JSON.stringify(event, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
  } catch {
    return ''; // a converter of the user's may take what JSON does not
  }
}

/** cyrb53: 53 bits; workflow code has no other hash. */
function hash(text: string): number {
  let [one, other] = [0xdeadbeef, 0x41c6ce57];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    one = Math.imul(one ^ code, 2654435761);
    other = Math.imul(other ^ code, 1597334677);
  }
  one = Math.imul(one ^ (one >>> 16), 2246822507) ^ Math.imul(other ^ (other >>> 13), 3266489909);
  other = Math.imul(other ^ (other >>> 16), 2246822507) ^ Math.imul(one ^ (one >>> 13), 3266489909);
  return 4294967296 * (2097151 & other) + (one >>> 0);
}
