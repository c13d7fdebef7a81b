import type { ResolvedConfig } from '../config/resolved.js';
import { BridgeError } from '../errors.js';
import type { InspectorPort } from '../temporal/inspector-port.js';
import { SdkInspectorPort } from '../temporal/sdk-inspector-port.js';
import { TemporalFault } from '../temporal/temporal-port.js';
import {
  compareSearchAttributes,
  isCloud,
  OWN_SEARCH_ATTRIBUTES,
  registrationCommands,
} from './search-attributes.js';

/** What was there, what is there now, and what somebody else must do. */
export interface SetupResult {
  readonly namespace: string;
  readonly added: readonly string[];
  readonly present: readonly string[];
  /** Not there, and not ours to add. */
  readonly missing: readonly string[];
  /** Shell commands that add what is missing; empty where nothing is. */
  readonly commands: readonly string[];
  /** Why it was not added here; null where nothing is missing. */
  readonly reason: string | null;
}

/** How a server says that somebody else must do it. */
const NOT_OURS = new Set(['PERMISSION_DENIED', 'UNIMPLEMENTED', 'UNAUTHENTICATED']);

/**
 * Registers the bridge's search attributes in the namespace. Again, it changes nothing. Where the server does not let
 * us, as on Temporal Cloud, the result has the commands that do it.
 * @throws BridgeError `KTB_TEMPORAL` if Temporal can't be asked, or one of them is registered as another type
 */
export async function registerSearchAttributes(
  config: ResolvedConfig['temporal'],
  port: InspectorPort = new SdkInspectorPort(config),
): Promise<SetupResult> {
  const { namespace, address } = config;
  try {
    const { present, missing, wrong } = compareSearchAttributes(await port.searchAttributes());
    if (wrong.length > 0) throw wrongType(config, wrong);
    const result = { namespace, present };
    if (missing.length === 0) return { ...result, added: [], missing, commands: [], reason: null };
    const refused = isCloud(address)
      ? 'Temporal Cloud registers search attributes by its own command line'
      : await add(port, missing);
    return refused === undefined
      ? { ...result, added: missing, missing: [], commands: [], reason: null }
      : { ...result, added: [], missing, commands: registrationCommands(config, missing), reason: refused };
  } catch (error) {
    if (!(error instanceof TemporalFault)) throw error;
    throw new BridgeError('KTB_TEMPORAL', `The search attributes can't be registered: ${error.message}`, {
      cause: error,
    });
  } finally {
    await port.close();
  }
}

/** Undefined where they are there now, else why not. */
async function add(port: InspectorPort, names: readonly string[]): Promise<string | undefined> {
  try {
    await port.addSearchAttributes(new Map(names.map((name) => [name, OWN_SEARCH_ATTRIBUTES.get(name)!])));
    return undefined;
  } catch (error) {
    if (error instanceof TemporalFault && NOT_OURS.has(error.status ?? '')) return error.message;
    throw error;
  }
}

function wrongType(
  { namespace }: ResolvedConfig['temporal'],
  wrong: ReturnType<typeof compareSearchAttributes>['wrong'],
): BridgeError {
  const lines = wrong.map(
    ({ name, expected, got }) =>
      `Expected the search attribute \`${name}\` of namespace ${namespace} to be of type ${expected}, got ${got}`,
  );
  return new BridgeError(
    'KTB_TEMPORAL',
    `${lines.join('\n')}\nRemove it if it is nobody else's: ${removalCommand(namespace, wrong)}`,
  );
}

/** What takes away those that are registered as something else. */
export function removalCommand(namespace: string, wrong: readonly { readonly name: string }[]): string {
  const flags = wrong.map(({ name }) => `--name ${name}`).join(' ');
  return `temporal operator search-attribute remove --namespace ${namespace} ${flags}`;
}
