import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { messageOf } from '../errors.js';
import { silentProgress, type Progress } from '../observe/progress.js';
import { goInstall } from './go-install.js';
import { ManagedServer } from './managed-server.js';
import { missingPiece } from './missing-piece.js';
import { portOr, releasePorts } from './ports.js';
import { waitFor } from './wait.js';

const TEMPORAL_UI_VERSION = '2.54.1';

export interface InstallTemporalUiOptions {
  readonly progress?: Progress;
  readonly signal?: AbortSignal | undefined;
  /** @default cacheDir() */
  readonly cache?: string;
  /** @default process.env */
  readonly env?: NodeJS.ProcessEnv;
}

export interface TemporalUiOptions extends InstallTemporalUiOptions {
  /** Holds its configuration and log. */
  readonly dataDir: string;
  /** Of the frontend that it shows: "127.0.0.1:7233". */
  readonly temporalAddress: string;
  /** The namespace it opens with. @default 'default' */
  readonly namespace?: string;
  /** @default 8233 when it is free, else a free one */
  readonly port?: number;
  /** @default 30_000 */
  readonly readyTimeoutMs?: number;
}

export interface TemporalUi {
  /** "http://127.0.0.1:8233". */
  readonly url: string;
  readonly server: ManagedServer;
  stop(): Promise<void>;
}

/** Builds the UI server into the cache, once. @returns the binary's path */
async function installTemporalUi(options: InstallTemporalUiOptions = {}): Promise<string> {
  try {
    return await goInstall({
      ...options,
      name: `temporal-ui-${TEMPORAL_UI_VERSION}`,
      title: `building Temporal's UI ${TEMPORAL_UI_VERSION} (once, about 15 s)`,
      module: `github.com/temporalio/ui-server/v2/cmd/server@v${TEMPORAL_UI_VERSION}`,
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    const cli = "no `temporal` on PATH, TEMPORAL_CLI_PATH isn't set, or the server in use isn't the CLI's";
    throw missingPiece(
      "Temporal's UI",
      [
        { way: "install Temporal's CLI, whose server brings it", outcome: cli },
        {
          way: 'install Go, which then builds it (with access to a Go module proxy)',
          outcome: messageOf(error),
        },
      ],
      error,
    );
  }
}

/**
 * Starts Temporal's web UI on 127.0.0.1. Not needed beside the CLI's start-dev, which has its own.
 * @throws BridgeError `KTB_LOCAL_STACK`
 */
export async function startTemporalUi(options: TemporalUiOptions): Promise<TemporalUi> {
  const { signal } = options;
  const command = await installTemporalUi(options);
  const step = (options.progress ?? silentProgress).step("starting Temporal's UI");
  const owned: number[] = [];
  try {
    const port = options.port ?? (await portOr(8233));
    if (options.port === undefined) owned.push(port);
    const dataDir = resolve(options.dataDir);
    const config = join(dataDir, 'ui-config');
    await mkdir(config, { recursive: true });
    const url = `http://127.0.0.1:${port}`;
    const settings = {
      temporalGrpcAddress: options.temporalAddress,
      host: '127.0.0.1',
      port,
      enableUi: true,
      defaultNamespace: options.namespace ?? 'default',
      // Its own pages only: another site in the same browser must not drive the local server.
      cors: { allowOrigins: [url], cookieInsecure: true },
      disableNewsFetch: true,
      hideLogs: true,
    };
    // JSON is YAML. The file is named after the environment that `--env` asks for.
    await writeFile(join(config, 'local.yaml'), `${JSON.stringify(settings, null, 2)}\n`);
    const server = await ManagedServer.start(
      {
        name: "Temporal's UI",
        command,
        args: ['--root', dataDir, '--config', 'ui-config', '--env', 'local', 'start'],
        cwd: dataDir,
        ports: { ui: port },
        logFile: join(dataDir, 'temporal-ui.log'),
        readyTimeoutMs: options.readyTimeoutMs ?? 30_000,
        ready: async (probe) => {
          // It asks the frontend too: an answer means that both are there.
          const ask = async (): Promise<boolean> =>
            fetch(`${url}/api/v1/cluster-info`, { signal: probe.signal }).then(
              async (response) => {
                await response.arrayBuffer();
                return response.ok;
              },
              () => false,
            );
          await waitFor(ask, {
            what: `the UI to answer at ${url}`,
            timeoutMs: Infinity,
            signal: probe.signal,
          });
        },
      },
      signal,
    );
    step.done(url);
    const stop = async (): Promise<void> => {
      await server.stop();
      await releasePorts(owned);
    };
    return { url, server, stop };
  } catch (error) {
    await releasePorts(owned);
    step.fail(signal?.aborted === true ? 'stopped' : messageOf(error).split('\n')[0]!);
    throw error;
  }
}
