import test from 'ava';
import { grpcExchange, kafkaExchange } from './wire.js';

function kafkaRequest(apiKey: number, correlationId: number, bytes = 20): Buffer {
  const frame = Buffer.alloc(4 + bytes);
  frame.writeInt32BE(bytes, 0);
  frame.writeInt16BE(apiKey, 4);
  frame.writeInt32BE(correlationId, 8);
  return frame;
}

function kafkaReply(correlationId: number, bytes = 30): Buffer {
  const frame = Buffer.alloc(4 + bytes);
  frame.writeInt32BE(bytes, 0);
  frame.writeInt32BE(correlationId, 4);
  return frame;
}

test('the reply to an OffsetCommit is told from the replies to what was asked before it', (t) => {
  const exchange = kafkaExchange(8);
  t.false(exchange.request(kafkaRequest(1, 41)));
  t.true(exchange.request(kafkaRequest(8, 42)));
  t.false(exchange.reply(kafkaReply(41)));
  t.true(exchange.reply(kafkaReply(42)));
});

test('Kafka frames may come in any pieces', (t) => {
  const exchange = kafkaExchange(8);
  const requests = Buffer.concat([kafkaRequest(1, 1, 50), kafkaRequest(3, 2, 9), kafkaRequest(8, 3)]);
  const seen = [...requests].map((byte) => exchange.request(Buffer.from([byte])));
  t.is(seen.indexOf(true), 54 + 13 + 11);
  t.false(exchange.reply(Buffer.concat([kafkaReply(1, 500), kafkaReply(2).subarray(0, 7)])));
  t.true(exchange.reply(Buffer.concat([kafkaReply(2).subarray(7), kafkaReply(3)])));
});

function http2Frame(type: number, stream: number, payload: string): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, Buffer.from(payload)]);
}

test('the answer of a gRPC call is told from window updates and other calls', (t) => {
  const exchange = grpcExchange('order-7');
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  t.false(exchange.request(Buffer.concat([preface, http2Frame(4, 0, ''), http2Frame(0, 1, 'order-6')])));
  t.true(exchange.request(Buffer.concat([http2Frame(1, 3, 'headers'), http2Frame(0, 3, '..order-7..')])));
  t.false(exchange.reply(http2Frame(8, 3, 'xxxx')));
  t.false(exchange.reply(http2Frame(1, 1, 'other')));
  const answer = http2Frame(1, 3, 'answer');
  t.false(exchange.reply(answer.subarray(0, 5)));
  t.true(exchange.reply(answer.subarray(5)));
});
