export interface ExtraListener {
  /** As Kafka names listeners: "PROXY". */
  readonly name: string;
  /** Where the broker listens. */
  readonly port: number;
  /** What its clients are told: the proxy's. */
  readonly advertisedPort: number;
}

export interface BrokerLayout {
  readonly nodeId: number;
  readonly port: number;
  /** `undefined`: the node is no controller. */
  readonly controllerPort: number | undefined;
  readonly controllerVoters: readonly { readonly nodeId: number; readonly port: number }[];
  readonly extraListeners: readonly ExtraListener[];
  readonly logDir: string;
  readonly properties: Readonly<Record<string, string>>;
}

const MAIN = 'PLAINTEXT';
const CONTROLLER = 'CONTROLLER';

/** The broker's settings: small, on loopback, and quick to answer. */
export function brokerProperties(layout: BrokerLayout): Record<string, string> {
  const at = (name: string, port: number): string => `${name}://127.0.0.1:${port}`;
  const { controllerPort, extraListeners } = layout;
  const names = [MAIN, CONTROLLER, ...extraListeners.map((each) => each.name)];
  return {
    'process.roles': controllerPort === undefined ? 'broker' : 'broker,controller',
    'node.id': String(layout.nodeId),
    'controller.quorum.voters': layout.controllerVoters
      .map((v) => `${v.nodeId}@127.0.0.1:${v.port}`)
      .join(','),
    listeners: [
      at(MAIN, layout.port),
      ...(controllerPort === undefined ? [] : [at(CONTROLLER, controllerPort)]),
      ...extraListeners.map((each) => at(each.name, each.port)),
    ].join(','),
    'advertised.listeners': [
      at(MAIN, layout.port),
      ...extraListeners.map((each) => at(each.name, each.advertisedPort)),
    ].join(','),
    'listener.security.protocol.map': names.map((name) => `${name}:PLAINTEXT`).join(','),
    'controller.listener.names': CONTROLLER,
    'inter.broker.listener.name': MAIN,
    'log.dirs': layout.logDir,
    // A topic that a typo names should be an error here too.
    'auto.create.topics.enable': 'false',
    // The default of 3 s is for groups of many members that start together.
    'group.initial.rebalance.delay.ms': '0',
    'offsets.topic.num.partitions': '8',
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.num.partitions': '8',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.num.partitions': '8',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    // A broker that was killed is let in again only when its former session is over: 9 s by default.
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    'num.network.threads': '2',
    'num.io.threads': '4',
    // 128 MB of the heap by default.
    'log.cleaner.dedupe.buffer.size': '16777216',
    ...layout.properties,
  };
}

/** As `java.util.Properties` reads it. */
export function toProperties(settings: Readonly<Record<string, string>>): string {
  const escape = (text: string): string =>
    text.replace(/[\\\n\r]/g, (c) => (c === '\\' ? '\\\\' : c === '\n' ? '\\n' : '\\r'));
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${escape(value)}\n`)
    .join('');
}

/** To stdout, which is the server's log file. */
export const LOG4J2_PROPERTIES = `status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %-5p %m (%c{1})%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
`;
