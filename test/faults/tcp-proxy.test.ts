import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { until } from '../helpers/until.js';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.js';

interface Target {
  readonly port: number;
  readonly sockets: Socket[];
  /** All that came. */
  received(): string;
  readonly ended: { count: number };
}

/** Answers each chunk with the same in capitals. */
async function startTarget(t: ExecutionContext, answer = true): Promise<Target> {
  const sockets: Socket[] = [];
  const received: string[] = [];
  const ended = { count: 0 };
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('end', () => ended.count++);
    socket.on('data', (bytes) => {
      received.push(bytes.toString());
      if (answer) socket.write(bytes.toString().toUpperCase());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets, received: () => received.join(''), ended };
}

interface Client {
  readonly socket: Socket;
  text: string;
  ended: boolean;
  closed: boolean;
  error: string | undefined;
}

async function open(t: ExecutionContext, port: number): Promise<Client> {
  const client = knock(t, port);
  await once(client.socket, 'connect');
  return client;
}

/** Connects, whatever comes of it. */
function knock(t: ExecutionContext, port: number): Client {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const client: Client = { socket, text: '', ended: false, closed: false, error: undefined };
  socket.on('data', (bytes) => {
    client.text += bytes.toString();
  });
  socket.on('end', () => (client.ended = true));
  socket.on('error', (error: NodeJS.ErrnoException) => (client.error = error.code));
  socket.on('close', () => (client.closed = true));
  t.teardown(() => socket.destroy());
  return client;
}

async function setUp(t: ExecutionContext, answer = true): Promise<{ target: Target; proxy: TcpProxy }> {
  const target = await startTarget(t, answer);
  const proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: target.port } });
  t.teardown(() => proxy.close());
  return { target, proxy };
}

const short = { timeoutMs: 5000, everyMs: 5 };

test('bytes and FINs pass both ways, and are counted', async (t) => {
  const { target, proxy } = await setUp(t);
  const client = await open(t, proxy.port);
  client.socket.write('hello');
  await until(() => client.text === 'HELLO', { what: 'the answer', ...short });
  t.is(proxy.counters.requestBytes, 5);
  t.is(proxy.counters.responseBytes, 5);
  t.is(proxy.open, 1);
  client.socket.end();
  await until(() => client.closed && target.ended.count === 1, { what: 'both ends to close', ...short });
  await until(() => proxy.open === 0, { what: 'no open connection', ...short });
  t.is(client.error, undefined);
});

test('a half that is closed leaves the other half open', async (t) => {
  const target = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('end', () => socket.end('late answer')).resume();
  }).listen(0, '127.0.0.1');
  await once(target, 'listening');
  t.teardown(() => target.close());
  const proxy = await startTcpProxy({
    target: { host: '127.0.0.1', port: (target.address() as AddressInfo).port },
  });
  t.teardown(() => proxy.close());
  const client = await open(t, proxy.port);
  client.socket.end();
  await until(() => client.text === 'late answer', { what: 'the answer after our FIN', ...short });
  t.is(client.error, undefined);
});

test('cut resets every connection, and new ones pass', async (t) => {
  const { proxy } = await setUp(t);
  const clients = [await open(t, proxy.port), await open(t, proxy.port)];
  await until(() => proxy.open === 2, { what: 'both connections', ...short });
  t.is(proxy.cut(), 2);
  await until(() => clients.every(({ closed }) => closed), { what: 'both to be closed', ...short });
  t.deepEqual(
    clients.map(({ error }) => error),
    ['ECONNRESET', 'ECONNRESET'],
  );
  const next = await open(t, proxy.port);
  next.socket.write('again');
  await until(() => next.text === 'AGAIN', { what: 'an answer', ...short });
});

test('refuse resets new connections and lets open ones go on', async (t) => {
  const { proxy } = await setUp(t);
  const before = await open(t, proxy.port);
  await until(() => proxy.open === 1, { what: 'the first connection', ...short });
  proxy.refuse();
  const refused = knock(t, proxy.port);
  await until(() => refused.closed, { what: 'the new one to be closed', ...short });
  t.is(refused.error, 'ECONNRESET');
  before.socket.write('still');
  await until(() => before.text === 'STILL', { what: 'an answer on the open one', ...short });
  t.is(proxy.counters.refused, 1);
  proxy.pass();
  const after = await open(t, proxy.port);
  after.socket.write('back');
  await until(() => after.text === 'BACK', { what: 'an answer after pass', ...short });
});

test('stall swallows bytes and FINs and closes nothing', async (t) => {
  const { target, proxy } = await setUp(t);
  const old = await open(t, proxy.port);
  await until(() => target.sockets.length === 1, { what: 'the server to see the first', ...short });
  proxy.stall();
  old.socket.write('lost');
  old.socket.end();
  const fresh = await open(t, proxy.port);
  fresh.socket.write('lost too');
  target.sockets[0]!.write('an answer nobody sees');
  await until(() => proxy.counters.swallowedBytes === 33, { what: '33 bytes to be swallowed', ...short });
  t.is(target.received(), '');
  t.is(target.ended.count, 0);
  t.is(target.sockets.length, 1);
  t.deepEqual([old.text, old.ended, old.closed, fresh.text, fresh.closed], ['', false, false, '', false]);

  proxy.pass();
  fresh.socket.write('still dead');
  await until(() => proxy.counters.swallowedBytes === 43, { what: 'the dead one to stay dead', ...short });
  const next = await open(t, proxy.port);
  next.socket.write('alive');
  await until(() => next.text === 'ALIVE', { what: 'a new one to pass', ...short });
  t.is(target.received(), 'alive');
  proxy.cut();
  await until(() => old.closed && fresh.closed, { what: 'cut to end the dead ones', ...short });
});

test('a connection that lost nothing in a stall goes on after it', async (t) => {
  const { proxy } = await setUp(t);
  const client = await open(t, proxy.port);
  await until(() => proxy.open === 1, { what: 'the connection', ...short });
  proxy.stall();
  proxy.pass();
  client.socket.write('on');
  await until(() => client.text === 'ON', { what: 'an answer', ...short });
  t.is(proxy.counters.swallowedBytes, 0);
});

test('a stall of responses lets requests through', async (t) => {
  const { target, proxy } = await setUp(t);
  proxy.stall({ direction: 'response' });
  const client = await open(t, proxy.port);
  client.socket.write('done?');
  await until(() => proxy.counters.swallowedBytes === 5, { what: 'the answer to be swallowed', ...short });
  t.is(target.received(), 'done?');
  t.is(client.text, '');
  t.false(client.closed);
});

test('a stall of requests lets what the server says through', async (t) => {
  const { target, proxy } = await setUp(t);
  const client = await open(t, proxy.port);
  await until(() => target.sockets.length === 1, { what: 'the connection', ...short });
  proxy.stall({ direction: 'request' });
  client.socket.write('unheard');
  await until(() => proxy.counters.swallowedBytes === 7, { what: 'the request to be swallowed', ...short });
  target.sockets[0]!.write('news');
  await until(() => client.text === 'news', { what: 'the news', ...short });
  t.is(target.received(), '');
});

test('a lost reply: the server has the request, the client a reset', async (t) => {
  const { target, proxy } = await setUp(t);
  const client = await open(t, proxy.port);
  proxy.cutAfterForwarding({ match: (bytes) => bytes.includes('order-7') });
  client.socket.write('order-6');
  await until(() => client.text === 'ORDER-6', { what: 'another reply to come through', ...short });
  client.socket.write('order-7');
  await until(() => client.closed, { what: 'the reset', ...short });
  t.is(client.error, 'ECONNRESET');
  t.is(client.text, 'ORDER-6');
  t.is(target.received(), 'order-6order-7');
  t.is(proxy.counters.lostReplies, 1);
  const again = await open(t, proxy.port);
  again.socket.write('order-7');
  await until(() => again.text === 'ORDER-7', {
    what: 'the second call to pass, as one was asked for',
    ...short,
  });
});

test('as many replies get lost as were asked for', async (t) => {
  const { proxy } = await setUp(t);
  proxy.cutAfterForwarding({ count: 2 });
  for (const lost of [true, true, false]) {
    const client = await open(t, proxy.port);
    client.socket.write('x');
    await until(() => client.closed || client.text !== '', { what: 'an end', ...short });
    t.is(client.closed, lost);
  }
});

test('slices arrive one by one and whole', async (t) => {
  const { proxy } = await setUp(t);
  proxy.slice(2, 50);
  const began = performance.now();
  const client = await open(t, proxy.port);
  client.socket.write('abcdefgh');
  await until(() => client.text === 'ABCDEFGH', { what: 'all of the answer', ...short });
  // Not counted in chunks: a busy machine may read several at once. Three pauses each way, the second's overlap.
  t.true(performance.now() - began >= 140);
  t.throws(() => proxy.slice(0, 1), { instanceOf: RangeError });
});

test('a server that does not read slows the client down', async (t) => {
  const { target, proxy } = await setUp(t, false);
  const client = await open(t, proxy.port);
  await until(() => target.sockets.length === 1, { what: 'the connection', ...short });
  target.sockets[0]!.pause();
  const chunk = Buffer.alloc(1024 * 1024);
  const total = 64;
  for (let sent = 0; sent < total; sent++) client.socket.write(chunk);
  // The kernel's buffers take some megabytes; the proxy must not take the rest.
  let last = -1;
  await until(
    () => {
      const still = proxy.counters.requestBytes === last && last > 0;
      last = proxy.counters.requestBytes;
      return still;
    },
    { what: 'the proxy to stop reading', timeoutMs: 10_000, everyMs: 200 },
  );
  t.true(last < 32 * chunk.length, `it took ${last} bytes`);
  target.sockets[0]!.resume();
  await until(() => proxy.counters.requestBytes === total * chunk.length, {
    what: 'all to arrive',
    timeoutMs: 20_000,
  });
});

test('a server that is away is told by a reset', async (t) => {
  const { target, proxy } = await setUp(t);
  const gone = await startTcpProxy({ target: { host: '127.0.0.1', port: 1 } });
  t.teardown(() => gone.close());
  const client = knock(t, gone.port);
  await until(() => client.closed, { what: 'the reset', ...short });
  t.is(target.sockets.length, 0);
  t.is(proxy.open, 0);
});
