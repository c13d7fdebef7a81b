import { existsSync } from 'node:fs';
import { loadClientConfigProfile, toClientOptions } from '@temporalio/envconfig';
import { BridgeError, messageOf } from '../errors.js';
import type { TemporalOptions } from './types.js';

/** What Temporal's standard variables and profile file say; `undefined` where they say nothing. */
export interface TemporalProfile {
  readonly address: string | undefined;
  readonly namespace: string | undefined;
  readonly apiKey: string | undefined;
  /** `false` where TLS is switched off. */
  readonly tls: TemporalOptions['tls'];
  readonly metadata: Readonly<Record<string, string>> | undefined;
}

/** @throws BridgeError `KTB_CONFIG` if the file or the profile can't be read */
export function readTemporalProfile(env: Readonly<Record<string, string | undefined>>): TemporalProfile {
  const file = env['TEMPORAL_CONFIG_FILE'];
  // The SDK takes a file that isn't there for an empty one; one that was named must not lead to localhost in silence.
  if (file && !existsSync(file)) {
    throw new BridgeError(
      'KTB_CONFIG',
      `Expected \`TEMPORAL_CONFIG_FILE\` to be a file, got ${JSON.stringify(file)}, which isn't there`,
    );
  }
  // An empty variable is how a shell or a compose file leaves one out.
  const given = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && (entry[1] !== '' || entry[0].startsWith('TEMPORAL_GRPC_META_')),
  );
  try {
    const profile = loadClientConfigProfile({ overrideEnvVars: Object.fromEntries(given) });
    const { connectionOptions, namespace } = toClientOptions(profile);
    return {
      address: connectionOptions.address || undefined,
      namespace: namespace || undefined,
      apiKey: profile.apiKey || undefined,
      // The SDK makes `true` of an API key; that must not stand in for the config's own certificates.
      tls: profile.tls === undefined ? undefined : (connectionOptions.tls as TemporalOptions['tls']),
      metadata: profile.grpcMeta,
    };
  } catch (error) {
    // Its first line only, and no cause: the parser quotes the file's lines, and an API key may stand there.
    const [reason] = messageOf(error).split('\n');
    throw new BridgeError(
      'KTB_CONFIG',
      `Can't read Temporal's profile file or variables (TEMPORAL_*): ${reason}`,
    );
  }
}
