import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { TLSConfig } from '@temporalio/client';
import { messageOf } from '../errors.js';
import { silentProgress, type Progress } from '../observe/progress.js';
import { ManagedServer } from './managed-server.js';
import { portOr, releasePorts, rememberedPorts } from './ports.js';
import {
  dynamicConfigYaml,
  serverConfigYaml,
  TEMPORAL_DYNAMIC_CONFIG,
  type TemporalTls,
} from './temporal-config.js';
import { ensureNamespace } from './temporal-namespace.js';
import { resolveTemporal, type TemporalExecutable } from './temporal-resolve.js';
import { accepts, waitFor } from './wait.js';

export interface TemporalServerOptions {
  /** Holds the database and the configuration; what is there is gone on with. */
  readonly dataDir: string;
  /** Of the frontend (gRPC). @default 7233 when it is free, else a free one */
  readonly port?: number;
  /** The frontend's HTTP API. @default none */
  readonly httpPort?: number;
  /** Of the UI inside the CLI's start-dev; the plain server has none, see `startTemporalUi`. @default none */
  readonly uiPort?: number;
  /** Registered when it is missing. @default 'default' */
  readonly namespace?: string;
  /** How long closed executions are kept, and so duplicates known. At least an hour. @default 259_200_000 (3 days) */
  readonly retentionMs?: number;
  /** Beside `TEMPORAL_DYNAMIC_CONFIG`; wins over it. */
  readonly dynamicConfig?: Readonly<Record<string, unknown>>;
  /** The frontend's. Only the plain server has it, so it is the one that is taken. @default plain text */
  readonly tls?: TemporalTls;
  /** @default what `resolveTemporal` finds, fetches or builds */
  readonly executable?: TemporalExecutable;
  /** @default 60_000 */
  readonly readyTimeoutMs?: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal | undefined;
}

export interface TemporalServer {
  /** Of the frontend: "127.0.0.1:7233". */
  readonly address: string;
  readonly namespace: string;
  readonly port: number;
  /** `cli`: the CLI's start-dev; `server`: the plain server. */
  readonly kind: 'cli' | 'server';
  /** Of the UI that came with it. */
  readonly uiPort: number | undefined;
  readonly dataDir: string;
  readonly server: ManagedServer;
  /** Stops it and gives its ports back. */
  stop(): Promise<void>;
}

/**
 * Starts Temporal in one process that listens on 127.0.0.1 only, with its data in a SQLite file that is synced at each
 * commit. `server.restart()` brings it back on the same ports and data, also after SIGKILL.
 * @throws BridgeError `KTB_LOCAL_STACK`: it can't be had, or did not start (with its last log lines)
 */
export async function startTemporalServer(options: TemporalServerOptions): Promise<TemporalServer> {
  const { signal, namespace = 'default', retentionMs = 259_200_000 } = options;
  const progress = options.progress ?? silentProgress;
  const executable =
    options.executable ?? (await resolveTemporal({ progress, signal, only: options.tls && 'server' }));
  const step = progress.step('starting Temporal');
  const owned: number[] = [];
  try {
    const dataDir = resolve(options.dataDir);
    await mkdir(dataDir, { recursive: true });
    const port = options.port ?? (await portOr(7233));
    if (options.port === undefined) owned.push(port);
    const address = `127.0.0.1:${port}`;
    const cli = executable.kind === 'cli';
    // With other membership ports a server would look for its former self for 40 s: its database names the hosts of
    // the last 20 s, and joining them has to fail first.
    const names = cli ? (['metrics'] as const) : SERVER_PORTS;
    const internal = await rememberedPorts(join(dataDir, 'temporal-ports.json'), names);
    owned.push(...Object.values<number>(internal));
    const launch = { ...options, dataDir, port, namespace };
    const { args, ports } =
      'metrics' in internal ? cliLaunch(launch, internal.metrics) : await serverLaunch(launch, internal);
    const server = await ManagedServer.start(
      {
        name: 'Temporal',
        command: executable.path,
        args,
        cwd: dataDir,
        ports,
        logFile: join(dataDir, 'temporal.log'),
        readyTimeoutMs: options.readyTimeoutMs,
        ready: async (probe) => {
          const { signal: given } = probe;
          const what = `Temporal to accept connections on port ${port}`;
          await waitFor(async () => accepts(port), { what, timeoutMs: Infinity, signal: given });
          const tls = options.tls && (await clientTls(options.tls));
          await ensureNamespace({ address, namespace, retentionMs, tls, signal: given });
        },
      },
      signal,
    );
    step.done(`${address}, namespace ${namespace}`);
    const stop = async (): Promise<void> => {
      await server.stop();
      await releasePorts(owned);
    };
    const uiPort = cli ? options.uiPort : undefined;
    return { address, namespace, port, kind: executable.kind, uiPort, dataDir, server, stop };
  } catch (error) {
    await releasePorts(owned);
    step.fail(signal?.aborted === true ? 'stopped' : messageOf(error).split('\n')[0]!);
    throw error;
  }
}

/** The ports of the plain server, beside the frontend's. */
const SERVER_PORTS = [
  'frontendMembership',
  'history',
  'historyMembership',
  'matching',
  'matchingMembership',
  'worker',
  'workerMembership',
] as const;

interface Launch extends TemporalServerOptions {
  readonly port: number;
  readonly namespace: string;
}

interface Launched {
  readonly args: string[];
  readonly ports: Record<string, number>;
}

function cliLaunch(launch: Launch, metrics: number): Launched {
  const { dataDir, port, httpPort, uiPort, namespace } = launch;
  const args = ['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port)];
  args.push('--metrics-port', String(metrics), '--db-filename', join(dataDir, 'temporal-cli.db'));
  args.push('--namespace', namespace, '--log-level', 'warn');
  if (uiPort === undefined) args.push('--headless');
  else args.push('--ui-ip', '127.0.0.1', '--ui-port', String(uiPort));
  if (httpPort !== undefined) args.push('--http-port', String(httpPort));
  for (const [key, value] of Object.entries({ ...TEMPORAL_DYNAMIC_CONFIG, ...launch.dynamicConfig })) {
    args.push('--dynamic-config-value', `${key}=${JSON.stringify(value)}`);
  }
  const ports: Record<string, number> = { frontend: port, metrics };
  if (uiPort !== undefined) ports['ui'] = uiPort;
  if (httpPort !== undefined) ports['http'] = httpPort;
  return { args, ports };
}

async function serverLaunch(
  launch: Launch,
  internal: Readonly<Record<(typeof SERVER_PORTS)[number], number>>,
): Promise<Launched> {
  const { dataDir, httpPort } = launch;
  const ports = { frontend: launch.port, ...internal, ...(httpPort !== undefined && { http: httpPort }) };
  const configFile = join(dataDir, 'temporal.yaml');
  const dynamicConfigFile = join(dataDir, 'temporal-dynamic.yaml');
  const databaseFile = join(dataDir, 'temporal.db');
  await writeFile(
    dynamicConfigFile,
    dynamicConfigYaml({ ...TEMPORAL_DYNAMIC_CONFIG, ...launch.dynamicConfig }),
  );
  await writeFile(configFile, serverConfigYaml({ databaseFile, dynamicConfigFile, ports, tls: launch.tls }));
  return { args: ['--config-file', configFile, '--allow-no-auth', 'start'], ports };
}

async function clientTls({ caFile, client, serverName }: TemporalTls): Promise<TLSConfig> {
  const [ca, crt, key] = await Promise.all(
    [caFile, client.certFile, client.keyFile].map((file) => readFile(file)),
  );
  return {
    serverRootCACertificate: ca!,
    clientCertPair: { crt: crt!, key: key! },
    serverNameOverride: serverName,
  };
}
