import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { messageOf } from '../errors.js';
import { silentProgress, type Progress } from '../observe/progress.js';
import { exists } from './cache.js';
import { runCommand } from './command.js';
import { installKafka, type KafkaInstallation } from './kafka-install.js';
import { brokerProperties, LOG4J2_PROPERTIES, toProperties, type ExtraListener } from './kafka-properties.js';
import { ManagedServer } from './managed-server.js';
import { freePort, portOr, releasePorts } from './ports.js';
import { accepts, waitFor } from './wait.js';

export interface KafkaBrokerOptions {
  /** Holds the log, the cluster's id and the configuration; what is there is gone on with. */
  readonly dataDir: string;
  /** @default 9092 when it is free, else a free one */
  readonly port?: number;
  /** @default 1 */
  readonly nodeId?: number;
  /** The controllers of a cluster of several brokers; without them this one is its own. */
  readonly controllerVoters?: readonly { readonly nodeId: number; readonly port: number }[];
  /** The same for all brokers of a cluster: 22 characters of base64url. @default the folder's, else a new one */
  readonly clusterId?: string;
  /** Further listeners, whose clients are told another port: the one of a proxy that stands in front. */
  readonly extraListeners?: readonly ExtraListener[];
  /** Win over everything that is set here. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Given to `kafka.tools.StorageTool format` too (`--add-scram ...`). */
  readonly formatArgs?: readonly string[];
  /** @default 400 */
  readonly maxHeapMb?: number;
  /** @default 60_000 */
  readonly readyTimeoutMs?: number;
  /** @default what `installKafka` finds or fetches */
  readonly installation?: KafkaInstallation;
  readonly progress?: Progress;
  readonly signal?: AbortSignal | undefined;
}

export interface KafkaBroker {
  /** For clients: `['127.0.0.1:9092']`. */
  readonly brokers: readonly string[];
  readonly clusterId: string;
  /** Of the first listener. */
  readonly port: number;
  readonly dataDir: string;
  readonly server: ManagedServer;
  /** Stops it and gives its ports back. */
  stop(): Promise<void>;
}

/** C1 only, and a serial collector: a broker that starts in seconds matters more here than its throughput. */
const JVM_FLAGS = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto', '-Djava.awt.headless=true'];

/**
 * Starts one KRaft broker, controller included, in one process that listens on 127.0.0.1 only. `server.restart()`
 * brings it back on the same ports and data, also after SIGKILL.
 * @throws BridgeError `KTB_LOCAL_STACK`: it can't be had, or did not start (with its last log lines)
 */
export async function startKafkaBroker(options: KafkaBrokerOptions): Promise<KafkaBroker> {
  const { signal } = options;
  const progress = options.progress ?? silentProgress;
  const installation = options.installation ?? (await installKafka({ progress, signal }));
  const step = progress.step(`starting Kafka ${installation.version}`);
  const owned: number[] = [];
  const own = (port: number): number => {
    owned.push(port);
    return port;
  };
  try {
    const dataDir = resolve(options.dataDir);
    await mkdir(dataDir, { recursive: true });
    const port = options.port ?? own(await portOr(9092));
    const nodeId = options.nodeId ?? 1;
    const controllerPort =
      options.controllerVoters?.find((voter) => voter.nodeId === nodeId)?.port ??
      (options.controllerVoters === undefined ? own(await freePort()) : undefined);
    const clusterId = await resolveClusterId(dataDir, options.clusterId);
    const propertiesFile = join(dataDir, 'server.properties');
    const settings = brokerProperties({
      nodeId,
      port,
      controllerPort,
      controllerVoters: options.controllerVoters ?? [{ nodeId, port: controllerPort! }],
      extraListeners: options.extraListeners ?? [],
      logDir: join(dataDir, 'log'),
      properties: options.properties ?? {},
    });
    const log4j = join(dataDir, 'log4j2.properties');
    await writeFile(propertiesFile, toProperties(settings));
    await writeFile(log4j, LOG4J2_PROPERTIES);
    const jvm = [...JVM_FLAGS, `-Xmx${options.maxHeapMb ?? 400}m`, `-Dlog4j2.configurationFile=${log4j}`];
    const java = [...jvm, '-cp', installation.classPath];
    if (!(await exists(join(dataDir, 'log', 'meta.properties')))) {
      step.update('formatting its folder');
      const format = ['kafka.tools.StorageTool', 'format', '-g', '-t', clusterId, '-c', propertiesFile];
      await runCommand(installation.java, [...java, ...format, ...(options.formatArgs ?? [])], {
        signal,
        timeoutMs: 60_000,
      });
    }
    step.update('waiting until it is ready');
    const server = await ManagedServer.start(
      {
        name: 'Kafka',
        command: installation.java,
        args: [...java, 'kafka.Kafka', propertiesFile],
        ports: {
          kafka: port,
          ...(controllerPort !== undefined && { controller: controllerPort }),
          ...Object.fromEntries((options.extraListeners ?? []).map((each) => [each.name, each.port])),
        },
        logFile: join(dataDir, 'kafka.log'),
        readyTimeoutMs: options.readyTimeoutMs,
        // Said once the broker is unfenced, that is, in the metadata that clients get. Unlike a handshake this holds
        // whatever TLS or SASL the listener asks for.
        ready: async (probe) => {
          await waitFor(async () => (await probe.log()).includes('Kafka Server started'), {
            what: 'Kafka to say that it has started',
            timeoutMs: Infinity,
            signal: probe.signal,
          });
          await waitFor(async () => accepts(port), {
            what: `Kafka to accept connections on port ${port}`,
            timeoutMs: Infinity,
            signal: probe.signal,
          });
        },
      },
      signal,
    );
    const address = `127.0.0.1:${port}`;
    step.done(address);
    const stop = async (): Promise<void> => {
      await server.stop();
      await releasePorts(owned);
    };
    return { brokers: [address], clusterId, port, dataDir, server, stop };
  } catch (error) {
    await releasePorts(owned);
    step.fail(signal?.aborted === true ? 'stopped' : messageOf(error).split('\n')[0]!);
    throw error;
  }
}

async function resolveClusterId(dataDir: string, given: string | undefined): Promise<string> {
  const file = join(dataDir, 'cluster-id');
  const kept = await readFile(file, 'utf8').catch(() => '');
  if (kept !== '') return kept.trim();
  let id = given;
  // The tool would take one that begins with a dash for an option.
  while (id === undefined || id.startsWith('-')) id = randomBytes(16).toString('base64url');
  await writeFile(file, id);
  return id;
}
