import { SearchAttributeType } from '@temporalio/common';
import type { ResolvedConfig } from '../config/resolved.js';
import type { SearchAttributeKind } from '../temporal/inspector-port.js';
import { SEARCH_ATTRIBUTES } from '../temporal/sdk-temporal-port.js';

const KINDS: Partial<Record<SearchAttributeType, SearchAttributeKind>> = {
  [SearchAttributeType.KEYWORD]: 'Keyword',
  [SearchAttributeType.INT]: 'Int',
};

/** The bridge's own, in the words of Temporal's command line. */
export const OWN_SEARCH_ATTRIBUTES: ReadonlyMap<string, SearchAttributeKind> = new Map(
  Object.entries(SEARCH_ATTRIBUTES).map(([name, type]) => [name, KINDS[type]!]),
);

export interface SearchAttributeDifference {
  readonly present: readonly string[];
  readonly missing: readonly string[];
  /** Registered as something else. */
  readonly wrong: readonly {
    readonly name: string;
    readonly expected: SearchAttributeKind;
    readonly got: SearchAttributeKind;
  }[];
}

/** What the namespace has of ours, and what not. */
export function compareSearchAttributes(
  known: ReadonlyMap<string, SearchAttributeKind>,
): SearchAttributeDifference {
  const own = [...OWN_SEARCH_ATTRIBUTES];
  return {
    present: own.filter(([name, kind]) => known.get(name) === kind).map(([name]) => name),
    missing: own.filter(([name]) => !known.has(name)).map(([name]) => name),
    wrong: own
      .filter(([name, kind]) => known.has(name) && known.get(name) !== kind)
      .map(([name, expected]) => ({ name, expected, got: known.get(name)! })),
  };
}

/** Temporal Cloud keeps its namespaces' search attributes behind an API of its own. */
export function isCloud(address: string): boolean {
  return /\.(?:tmprl\.cloud|api\.temporal\.io)(?::\d+)?$/i.test(address);
}

/** The commands that register what is missing: one for a server of one's own; for Cloud one each, or tcld's one. */
export function registrationCommands(
  temporal: Pick<ResolvedConfig['temporal'], 'address' | 'namespace'>,
  names: readonly string[],
): readonly string[] {
  const { address, namespace } = temporal;
  const pairs = names.map((name) => [name, OWN_SEARCH_ATTRIBUTES.get(name)!] as const);
  if (!isCloud(address)) {
    const flags = pairs.map(([name, kind]) => `--name ${name} --type ${kind}`).join(' ');
    return [
      `temporal operator search-attribute create --address ${address} --namespace ${namespace} ${flags}`,
    ];
  }
  return pairs.map(
    ([name, kind]) =>
      `temporal cloud namespace search-attribute create --namespace ${namespace} --name ${name} --type ${kind}`,
  );
}

/** The same for Cloud's older command. */
export function tcldCommand(namespace: string, names: readonly string[]): string {
  const flags = names
    .map((name) => `--search-attribute "${name}=${OWN_SEARCH_ATTRIBUTES.get(name)!}"`)
    .join(' ');
  return `tcld namespace search-attributes add --namespace ${namespace} ${flags}`;
}
