/** Writes a transaction, says so, and waits to be killed: `tsx dying-transaction.ts <brokers> <topic>`. */
import { Kafka, logLevel } from 'kafkajs';
import { producerOf } from '../../bridge/config/resolve-producer.js';
import { clusterOf } from '../../bridge/producer/kafkajs-cluster.js';
import { TransactionEncoder } from '../../bridge/producer/transaction-encoder.js';
import { placedRecords } from '../../bridge/producer/transaction-places.js';
import { TransactionSession, type TransactionCluster } from '../../bridge/producer/transaction-session.js';

const [brokers = '', topic = ''] = process.argv.slice(2);
const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING });
const cluster = clusterOf(kafka, 60_000) as TransactionCluster;
await cluster.connect();
await cluster.refreshMetadata();
const encoder = new TransactionEncoder(producerOf({}, '/'));
const records = await Promise.all(
  [0, 1, 2].map((n) => encoder.encode(topic, `dying-${n}`, { set: 'dying', n }, {})),
);
const session = await TransactionSession.begin(cluster, `dying-${process.pid}-${Date.now()}`);
await session.write(cluster, await placedRecords(cluster, records, 0));
console.log('written, not committed');
setInterval(() => undefined, 1_000);
