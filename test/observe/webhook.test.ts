/** Alerts against a real server. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import type { Alert } from '../../bridge/observe/alerts.js';
import { Webhook, type WebhookOptions } from '../../bridge/observe/webhook.js';
import { memoryLogger } from '../helpers/connections.js';
import { until } from '../helpers/until.js';

interface Post {
  readonly headers: IncomingHttpHeaders;
  readonly path: string;
  readonly alert: Alert;
}

/** A receiver that answers with these statuses, then with 204; 0 never answers. */
async function receiver(...statuses: readonly number[]) {
  const posts: Post[] = [];
  const left = [...statuses];
  const hanging: ServerResponse[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      posts.push({ headers: request.headers, path: request.url!, alert: JSON.parse(body) as Alert });
      const status = left.shift() ?? 204;
      if (status === 0) return hanging.push(response);
      response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {});
      return response.end();
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    posts,
    url: `http://127.0.0.1:${port}/hooks/secret-path`,
    host: `127.0.0.1:${port}`,
    [Symbol.dispose]: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function hook(
  webhook: string,
  options: Partial<WebhookOptions> = {},
  fields: Partial<WebhookOptions['alerts']> = {},
) {
  const log = memoryLogger();
  const results: string[] = [];
  const it = new Webhook({
    alerts: {
      webhook,
      headers: { authorization: 'Bearer canary' },
      groupMs: 1,
      maximumAttempts: 5,
      ...fields,
    },
    logger: log.logger,
    onPost: (result) => results.push(result),
    firstWaitMs: 5,
    ...options,
  });
  return { it, log, results };
}

const alert = (message: string): Alert => ({
  kind: 'circuit',
  scope: {},
  message,
  count: 1,
  firstAt: 1,
  lastAt: 2,
  subscription: 'orders',
});

const settled = (results: readonly string[], count = 1) =>
  until(() => results.length, { what: 'the webhook to be done', everyMs: 5, accept: (n) => n >= count });

test('an alert is posted as JSON, with the headers that are configured', async (t) => {
  using there = await receiver();
  const { it, results } = hook(there.url);
  it.post(alert('open'));
  await settled(results);
  t.deepEqual(results, ['sent']);
  t.deepEqual(there.posts[0]?.alert, alert('open'));
  t.like(there.posts[0]?.headers, { authorization: 'Bearer canary', 'content-type': 'application/json' });
});

test('a receiver that fails for a while gets it in the end, once, and later ones after it', async (t) => {
  using there = await receiver(500, 503, 429);
  const { it, results } = hook(there.url);
  it.post(alert('first'));
  it.post(alert('second'));
  await settled(results, 2);
  t.deepEqual(results, ['sent', 'sent']);
  t.deepEqual(
    there.posts.map((post) => post.alert.message),
    ['first', 'first', 'first', 'first', 'second'],
  );
});

test('it is given up after as many attempts as are configured, with a line that has no secret', async (t) => {
  using there = await receiver(...Array.from({ length: 50 }, () => 500));
  const { it, results, log } = hook(there.url, {}, { maximumAttempts: 3 });
  it.post(alert('open'));
  await settled(results);
  t.deepEqual(results, ['failed']);
  t.is(there.posts.length, 3);
  t.regex(log.text, /"reason":"it answered with status 500".*did not reach the webhook/);
  t.true(log.text.includes(there.host));
  for (const secret of ['canary', 'secret-path']) t.false(log.text.includes(secret));
});

test('one attempt means one', async (t) => {
  using there = await receiver(500);
  const { it, results } = hook(there.url, {}, { maximumAttempts: 1 });
  it.post(alert('open'));
  await settled(results);
  t.is(there.posts.length, 1);
});

test('a receiver that says no is not asked again, nor followed elsewhere', async (t) => {
  using there = await receiver(404, 302);
  const { it, results } = hook(there.url);
  it.post(alert('a'));
  it.post(alert('b'));
  await settled(results, 2);
  t.deepEqual(results, ['failed', 'failed']);
  t.deepEqual(
    there.posts.map(({ path }) => path),
    ['/hooks/secret-path', '/hooks/secret-path'],
  );
});

test('one that hangs is left after the time-out, and tried again', async (t) => {
  using there = await receiver(0);
  // Long enough for the second one on a busy machine.
  const { it, results } = hook(there.url, { timeoutMs: 2_000 });
  it.post(alert('open'));
  await settled(results);
  t.deepEqual([results, there.posts.length], [['sent'], 2]);
});

test('nobody there throws nothing', async (t) => {
  const gone = await receiver();
  gone[Symbol.dispose]();
  const { it, results, log } = hook(gone.url, {}, { maximumAttempts: 2 });
  t.notThrows(() => it.post(alert('open')));
  await settled(results);
  t.deepEqual(results, ['failed']);
  t.regex(log.text, /ECONNREFUSED/);
});

test('a close sends what is left, and waits for nobody beyond its deadline', async (t) => {
  using there = await receiver();
  const quick = hook(there.url);
  for (const message of ['a', 'b', 'c']) quick.it.post(alert(message));
  await quick.it.close(10_000);
  t.is(there.posts.length, 3);
  using hanging = await receiver(0, 0, 0);
  const slow = hook(hanging.url);
  slow.it.post(alert('a'));
  slow.it.post(alert('b'));
  await slow.it.close(100);
  t.deepEqual(slow.results, ['failed', 'dropped']);
  slow.it.post(alert('late'));
  t.is(slow.results.length, 2);
});

test('a receiver that is away does not fill the memory: the oldest are dropped', async (t) => {
  using there = await receiver(0);
  const { it, results } = hook(there.url);
  for (let count = 0; count < 150; count++) it.post(alert(String(count)));
  t.is(results.filter((result) => result === 'dropped').length, 49);
  await it.close(1);
});

test('credentials in the URL go as the header that they stand for', async (t) => {
  using there = await receiver();
  const { it, results } = hook(there.url.replace('http://', 'http://user:p%40ss@'), {}, { headers: {} });
  it.post(alert('open'));
  await settled(results);
  t.is(there.posts[0]?.headers.authorization, `Basic ${Buffer.from('user:p@ss').toString('base64')}`);
});
