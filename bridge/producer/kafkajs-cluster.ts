/**
 * kafkajs's cluster: connections (with TLS and SASL), metadata and leaders, without its producer, which loses what was
 * acknowledged (its retries take the sequence back while others send, and throw away which partitions were written).
 * It is not public, so kafkajs is pinned, and test/producer/kafkajs-cluster.test.ts fails when it no longer holds.
 */
import { createRequire } from 'node:module';
import type { Kafka } from 'kafkajs';
import { within } from '../timing.js';
import { PRODUCE } from './produce-request.js';

const require = createRequire(import.meta.url);

interface Connection {
  readonly socket?: { destroy(error: Error): void };
  isConnected(): boolean;
  send(exchange: {
    readonly request: object;
    readonly response: { decode(bytes: Buffer): Promise<object>; parse(decoded: object): Promise<unknown> };
  }): Promise<unknown>;
}

export interface ClusterBroker {
  readonly nodeId: number;
  readonly connectionPool: {
    readonly host: string;
    readonly port: number;
    readonly pool: readonly Connection[];
    getConnection(): Promise<Connection>;
  };
  isConnected(): boolean;
  connect(): Promise<void>;
  initProducerId(options: { readonly transactionTimeout: number }): Promise<{
    readonly producerId: string | bigint | number;
    readonly producerEpoch: number;
  }>;
}

export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  refreshMetadata(): Promise<void>;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  findBroker(node: { readonly nodeId: number }): Promise<ClusterBroker>;
  findControllerBroker(): Promise<ClusterBroker>;
  removeBroker(address: { readonly host: string; readonly port: number }): void;
  readonly targetTopics: Set<string>;
  readonly brokerPool: {
    readonly metadata: { readonly topicMetadata: readonly TopicMetadata[] } | null;
    /** By their numbers. */
    readonly brokers: Readonly<Record<number, ClusterBroker>>;
    createBroker(options: object): object;
  };
}

export interface TopicMetadata {
  readonly topic: string;
  /** Kafka's number of an error; 0 is none. */
  readonly topicErrorCode: number;
  readonly partitionMetadata: readonly { readonly partitionId: number; readonly leader: number | null }[];
}

/** A cluster of the client's own brokers and credentials. A topic that is missing is not created by asking for it. */
export function clusterOf(kafka: Kafka, metadataMaxAgeMs: number): Cluster {
  const create = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  );
  const clients = kafka as unknown as Record<symbol, (options: object) => Cluster>;
  if (create === undefined) throw new Error('Expected kafkajs 2.2.4, whose client creates clusters');
  const cluster = clients[create]!({ metadataMaxAge: metadataMaxAgeMs, allowAutoTopicCreation: false });
  const { brokerPool } = cluster;
  const createBroker = brokerPool.createBroker;
  brokerPool.createBroker = (options) => withPlainMetadata(createBroker(options) as AnyBroker);
  return cluster;
}

const LEAVE_MS = 1_000;

/** It waits for what is under way, which a broker that hangs never answers: so for a second, and without a word. */
export async function leaveCluster(cluster: Pick<Cluster, 'disconnect'>): Promise<void> {
  await within<void>(cluster.disconnect(), LEAVE_MS, () => undefined).catch(() => undefined);
}

const METADATA_KEY = 3;

interface AnyBroker {
  metadata(topics: readonly string[]): Promise<unknown>;
  readonly lookupRequest: (
    apiKey: number,
    definition: unknown,
  ) => (options: object) => {
    readonly request: object;
    readonly response: { decode(bytes: Buffer): Promise<object> };
  };
  readonly connectionPool: { send: Connection['send'] };
}

/**
 * kafkajs throws all metadata away where one topic of many is missing, or one partition has no leader for the moment:
 * then the others' leaders can't be found either.
 */
function withPlainMetadata(broker: AnyBroker): AnyBroker {
  const { requests } = require('kafkajs/src/protocol/requests/index.js') as {
    readonly requests: { readonly Metadata: unknown };
  };
  broker.metadata = async (topics) => {
    const exchange = broker.lookupRequest(METADATA_KEY, requests.Metadata);
    const { request, response } = exchange({ topics, allowAutoTopicCreation: false });
    const parse = async (decoded: object): Promise<object> => decoded;
    return broker.connectionPool.send({ request, response: { decode: response.decode, parse } });
  };
  return broker;
}

const KafkajsEncoder = require('kafkajs/src/protocol/encoder.js') as new (size: number) => {
  writeBufferInternal(bytes: Buffer): void;
};

/** Sends an encoded Produce request over the broker's connection. @returns the answer's bytes */
export async function sendProduce(connection: Connection, body: Buffer): Promise<Buffer> {
  return (await connection.send({
    request: {
      ...PRODUCE,
      expectResponse: () => true,
      encode: async () => {
        const encoder = new KafkajsEncoder(body.length);
        encoder.writeBufferInternal(body);
        return encoder;
      },
    },
    response: {
      decode: async (bytes) => ({ bytes, clientSideThrottleTime: bytes.readInt32BE(bytes.length - 4) }),
      parse: async (decoded) => (decoded as { readonly bytes: Buffer }).bytes,
    },
  })) as Buffer;
}
