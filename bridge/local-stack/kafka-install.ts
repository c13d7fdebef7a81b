import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../errors.js';
import { silentProgress, type Progress } from '../observe/progress.js';
import { install } from './cache.js';
import { findOnPath, runCommand } from './command.js';
import { findJava, MIN_JAVA } from './java.js';
import { missingPiece, type Attempt } from './missing-piece.js';

/** The broker's version that is fetched. */
const KAFKA_VERSION = '4.4.0';

/** Kafka's pom leaves the binding between its logger (slf4j 1.7) and log4j to the one who runs it. */
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>kafka-temporal-bridge</groupId>
  <artifactId>local-kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.25.5</version>
    </dependency>
  </dependencies>
</project>
`;

export interface InstallKafkaOptions {
  readonly progress?: Progress;
  readonly signal?: AbortSignal | undefined;
  /** @default cacheDir() */
  readonly cache?: string;
  /** Where JAVA_HOME and PATH are read. @default process.env */
  readonly env?: NodeJS.ProcessEnv;
}

export interface KafkaInstallation {
  /** The `java` to run. */
  readonly java: string;
  /** For `java -cp`. */
  readonly classPath: string;
  readonly version: string;
}

/**
 * Java 17+ of this machine, and Kafka's jars (43 MB), fetched once by Maven into the cache.
 * @throws BridgeError `KTB_LOCAL_STACK`: what is missing, and the ways to get it
 */
export async function installKafka(options: InstallKafkaOptions = {}): Promise<KafkaInstallation> {
  const { signal, env = process.env } = options;
  const java = await findJava(signal, env);
  if (java.path === undefined) throw noKafka(`no Java ${MIN_JAVA} or newer (${java.looked.join('; ')})`);
  const progress = options.progress ?? silentProgress;
  const folder = await install({
    name: `kafka-${KAFKA_VERSION}`,
    cache: options.cache,
    signal,
    build: async (target) => fetchJars(target, { progress, signal, env, javaHome: java.home }),
    onWait: (pid) => progress.step(`waiting for process ${pid}, which fetches Kafka`).done(),
  });
  return { java: java.path, classPath: join(folder, 'libs', '*'), version: KAFKA_VERSION };
}

interface FetchContext {
  readonly progress: Progress;
  readonly signal: AbortSignal | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly javaHome: string | undefined;
}

async function fetchJars(target: string, context: FetchContext): Promise<void> {
  const { signal, env, javaHome } = context;
  const maven = await findOnPath('mvn', env);
  if (maven === undefined) throw noKafka('Java is there, but no `mvn` on PATH to fetch the jars');
  const step = context.progress.step(`fetching Kafka ${KAFKA_VERSION} with Maven`);
  let fetched = 0;
  try {
    await writeFile(join(target, 'pom.xml'), POM);
    await mkdir(join(target, 'libs'));
    const args = ['-B', 'dependency:copy-dependencies', '-DincludeScope=runtime'];
    await runCommand(maven, [...args, `-DoutputDirectory=${join(target, 'libs')}`], {
      cwd: target,
      env: { ...env, ...(javaHome !== undefined && { JAVA_HOME: javaHome }) },
      signal,
      timeoutMs: 600_000,
      onLine: (line) => {
        const jar = /Downloaded from .*\/([^/]+\.jar)/.exec(line)?.[1];
        if (jar !== undefined) step.update(`${++fetched} jars, ${jar}`);
      },
    });
    step.done();
  } catch (error) {
    step.fail(signal?.aborted === true ? 'stopped' : messageOf(error).split('\n')[0]!);
    signal?.throwIfAborted();
    throw noKafka(messageOf(error), error);
  }
}

function noKafka(outcome: string, cause?: unknown): Error {
  const attempts: Attempt[] = [
    { way: 'give the address of a Kafka that runs (`kafka.brokers`)', outcome: 'none was given' },
    {
      way: `install Java ${MIN_JAVA} or newer (JAVA_HOME or PATH) and Maven (\`mvn\` on PATH), with access to Maven Central`,
      outcome,
    },
  ];
  return missingPiece('Kafka', attempts, cause);
}
