export interface TemporalServerLayout {
  /** Of the database: SQLite, with the executions and the visibility. */
  readonly databaseFile: string;
  readonly dynamicConfigFile: string;
  /** All of 127.0.0.1. `http` is the frontend's HTTP API, off when it is missing. */
  readonly ports: Readonly<TemporalPorts>;
  /** The frontend's. @default plain text */
  readonly tls?: TemporalTls | undefined;
}

/** Files in PEM. Clients show a certificate of their own, in which the server's workers are clients too. */
export interface TemporalTls {
  readonly server: TemporalCertificate;
  /** By the name that a client asks for (SNI), beside `server`. */
  readonly hosts?: Readonly<Record<string, TemporalCertificate>>;
  readonly clientCaFile: string;
  readonly client: TemporalCertificate;
  /** Of `server`. */
  readonly caFile: string;
  /** A name that `server` holds. */
  readonly serverName: string;
}

export interface TemporalCertificate {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface TemporalPorts {
  readonly frontend: number;
  readonly frontendMembership: number;
  readonly history: number;
  readonly historyMembership: number;
  readonly matching: number;
  readonly matchingMembership: number;
  readonly worker: number;
  readonly workerMembership: number;
  readonly http?: number;
}

/** So high that one developer's machine never meets it. */
const UNLIMITED_RPS = 1_000_000;

/**
 * What the local server is told beyond its defaults (which suit clusters of hundreds of shards). The same values go
 * to the CLI's start-dev. Names the server does not know are warned of in its log, and do no harm.
 */
export const TEMPORAL_DYNAMIC_CONFIG: Readonly<Record<string, unknown>> = Object.freeze({
  // One shard polls each of its queues at most 20 times a second by default: 40 ms of latency at 50 records/s.
  'history.transferProcessorMaxPollRPS': 2000,
  'history.timerProcessorMaxPollRPS': 2000,
  'history.visibilityProcessorMaxPollRPS': 2000,
  'history.outboundProcessorMaxPollRPS': 2000,
  // Without these two, priorities and fairness keys do nothing.
  'matching.useNewMatcher': true,
  'matching.enableFairness': true,
  // Priority orders within a partition of a task queue: with four of them, and one slot, what is high waits for its turn.
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
  // Standalone activities carry batches.
  'history.enableChasm': true,
  'activity.enableStandalone': true,
  // A search attribute or a namespace that was just added can be used at once.
  'system.forceSearchAttributesCacheRefreshOnRead': true,
  'system.namespaceCacheRefreshInterval': '1s',
  'frontend.rps': UNLIMITED_RPS,
  'frontend.namespaceRPS': UNLIMITED_RPS,
  'frontend.namespaceRPS.visibility': UNLIMITED_RPS,
  'frontend.namespaceRPS.namespaceReplicationInducingAPIs': UNLIMITED_RPS,
  'history.rps': UNLIMITED_RPS,
  'matching.rps': UNLIMITED_RPS,
  'frontend.persistenceMaxQPS': UNLIMITED_RPS,
  'history.persistenceMaxQPS': UNLIMITED_RPS,
  'matching.persistenceMaxQPS': UNLIMITED_RPS,
  'worker.persistenceMaxQPS': UNLIMITED_RPS,
});

/** The dynamic config file. JSON is YAML. */
export function dynamicConfigYaml(values: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(values).map(([key, value]) => [key, [{ value, constraints: {} }]]);
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
}

/** The server's config file: all services in one process, one shard, on loopback. JSON is YAML. */
export function serverConfigYaml(layout: TemporalServerLayout): string {
  const { ports } = layout;
  const service = (grpcPort: number, membershipPort: number): object => ({
    rpc: { grpcPort, membershipPort, bindOnIP: '127.0.0.1' },
  });
  const sqlite = {
    sql: {
      pluginName: 'sqlite',
      databaseName: layout.databaseFile,
      connectAddr: 'localhost',
      connectProtocol: 'tcp',
      connectAttributes: {
        mode: 'rwc',
        cache: 'private',
        setup: 'true',
        journal_mode: 'wal',
        synchronous: '2',
      },
      maxConns: 1,
      maxIdleConns: 1,
      maxConnLifetime: '1h',
    },
  };
  const frontend = `127.0.0.1:${ports.frontend}`;
  const config = {
    log: { stdout: true, level: 'warn' },
    persistence: {
      defaultStore: 'default',
      visibilityStore: 'visibility',
      numHistoryShards: 1,
      datastores: { default: sqlite, visibility: sqlite },
    },
    // No `pprof` and no `metrics`: no further ports.
    global: {
      membership: { maxJoinDuration: '10s', broadcastAddress: '127.0.0.1' },
      ...(layout.tls && { tls: tlsConfig(layout.tls) }),
    },
    services: {
      frontend: {
        rpc: {
          grpcPort: ports.frontend,
          membershipPort: ports.frontendMembership,
          bindOnIP: '127.0.0.1',
          ...(ports.http !== undefined && { httpPort: ports.http }),
        },
      },
      history: service(ports.history, ports.historyMembership),
      matching: service(ports.matching, ports.matchingMembership),
      worker: service(ports.worker, ports.workerMembership),
    },
    clusterMetadata: {
      enableGlobalNamespace: false,
      failoverVersionIncrement: 10,
      masterClusterName: 'active',
      currentClusterName: 'active',
      clusterInformation: {
        active: {
          enabled: true,
          initialFailoverVersion: 1,
          rpcName: 'frontend',
          rpcAddress: frontend,
          ...(ports.http !== undefined && { httpAddress: `127.0.0.1:${ports.http}` }),
        },
      },
    },
    dcRedirectionPolicy: { policy: 'noop' },
    archival: { history: { state: 'disabled' }, visibility: { state: 'disabled' } },
    namespaceDefaults: { archival: { history: { state: 'disabled' }, visibility: { state: 'disabled' } } },
    publicClient: { hostPort: frontend },
    dynamicConfigClient: { filepath: layout.dynamicConfigFile, pollInterval: '10s' },
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

function tlsConfig(tls: TemporalTls): object {
  const client = { serverName: tls.serverName, rootCaFiles: [tls.caFile] };
  const server = (certificate: TemporalCertificate): object => ({
    ...certificate,
    requireClientAuth: true,
    clientCaFiles: [tls.clientCaFile],
  });
  const hosts = Object.entries(tls.hosts ?? {}).map(([name, certificate]) => [name, server(certificate)]);
  return {
    frontend: { server: server(tls.server), client, hostOverrides: Object.fromEntries(hosts) },
    systemWorker: { ...tls.client, client },
  };
}
