import test from 'ava';
import { TailPrinter } from '../../bridge/cli/tail-printer.js';
import { resolveConfig } from '../../bridge/config/resolve.js';
import type { BridgeConfig } from '../../bridge/config/types.js';
import { LogPositions } from '../../bridge/intake/log-positions.js';
import { inOrder } from '../../bridge/operate/tail/in-order.js';
import { createRecordViewer } from '../../bridge/operate/tail/record-view.js';
import { tail } from '../../bridge/operate/tail/tail.js';
import { tailFilter, type TailFilter } from '../../bridge/operate/tail/tail-filter.js';
import type { SourceRecord } from '../../bridge/record.js';
import { sourceRecord } from '../helpers/doubles/mapped-records.js';

const config = (routes: BridgeConfig['routes']) =>
  resolveConfig(
    {
      name: 'orders',
      kafka: { brokers: ['localhost:9092'], groupId: 'orders' },
      temporal: { taskQueue: 'orders' },
      routes,
    },
    { baseDir: '/', env: {} },
  );

const record = (value: string | Buffer | null, fields: Partial<SourceRecord> = {}): SourceRecord =>
  sourceRecord({
    topic: 'orders',
    partition: 3,
    offset: 1402n,
    timestampMs: 1_700_000_000_000,
    key: Buffer.from('A-17'),
    headers: {},
    value: value === null ? null : Buffer.from(value),
    ...fields,
  });

async function line(
  one: SourceRecord,
  options: { readonly base64?: boolean; readonly routes?: BridgeConfig['routes'] } = {},
): Promise<string> {
  const view = await createRecordViewer(options.routes && config(options.routes))(one);
  return new TailPrinter({ json: true, base64: options.base64 ?? false }).text(view, undefined);
}

const shown = async (...args: Parameters<typeof line>): Promise<Record<string, unknown>> =>
  JSON.parse(await line(...args)) as Record<string, unknown>;

test('a record is one line of JSON: where it stands, key, value and headers', async (t) => {
  const headers = {
    'event-type': Buffer.from('placed'),
    'idempotency-key': Buffer.from('k1'),
    twice: [Buffer.from('a'), Buffer.from('b')],
    raw: Buffer.from([255]),
  };
  t.deepEqual(await shown(record('{"total":5}', { headers })), {
    topic: 'orders',
    partition: 3,
    offset: '1402',
    timestamp: 1_700_000_000_000,
    key: 'A-17',
    value: { total: 5 },
    headers: { 'event-type': 'placed', 'idempotency-key': 'k1', twice: ['a', 'b'] },
    headersBase64: { raw: '/w==' },
    eventType: 'placed',
    idempotencyKey: 'k1',
  });
});

test('JSON in one line is shown as it stands there; what is no text as base64', async (t) => {
  t.true(
    (await line(record('{ "id" : 12345678901234567890 }'))).includes(
      '"value":{ "id" : 12345678901234567890 }',
    ),
  );
  t.deepEqual((await shown(record('{\n"a":1\n}')))['value'], { a: 1 });
  t.is((await shown(record('no JSON')))['value'], 'no JSON');
  t.like(await shown(record(Buffer.from([255, 0]), { key: Buffer.from([254]) })), {
    keyBase64: '/g==',
    valueBase64: '/wA=',
  });
  t.like(await shown(record(null, { key: null })), { key: null, value: null });
  t.like(await shown(record('{"a":1}'), { base64: true }), { valueBase64: 'eyJhIjoxfQ==' });
});

test('values are decoded as the route does it, and keys are the ones that the bridge takes', async (t) => {
  const routes: BridgeConfig['routes'] = [
    {
      id: 'upper',
      topic: 'orders',
      workflow: 'w',
      key: '/id',
      decoder: (value: Buffer) => ({ id: value.toString().toUpperCase() }),
    },
  ];
  t.like(await shown(record('abc'), { routes }), {
    value: { id: 'ABC' },
    route: 'upper',
    idempotencyKey: 'ABC',
  });
});

test('a bad record is shown, with what is wrong and its bytes', async (t) => {
  const routes: BridgeConfig['routes'] = [{ id: 'json', topic: 'orders', workflow: 'w' }];
  const broken = await shown(record('{"total":'), { routes });
  t.is(broken['valueBase64'], Buffer.from('{"total":').toString('base64'));
  t.truthy(broken['error']);
  const unreadable = await shown(record(null, { undecodable: 'The batch is compressed by lz4' }), { routes });
  t.false('value' in unreadable);
  t.like(unreadable, { error: 'The batch is compressed by lz4' });
});

test('nothing in a record drives the terminal, in JSON or for people', async (t) => {
  const hostile = '\u001b[2J\u009b2J\u202e\r\n';
  const it = record(JSON.stringify({ text: '\u009b2J\u202e' }), {
    key: Buffer.from(hostile),
    headers: { [hostile]: Buffer.from(hostile), 'event-type': Buffer.from(hostile) },
  });
  const view = await createRecordViewer(undefined)(it);
  const outcome = { state: 'failed', reason: hostile, link: 'http://ui.test' } as const;
  for (const json of [true, false]) {
    const text = new TailPrinter({ json, base64: false }).text(view, outcome);
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    t.notRegex(text.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/);
  }
  t.is((await shown(it))['key'], hostile, 'and it is the same text for who parses it');
});

test('for people a line has place, time, key, type, outcome and value; what is wrong stands under it', async (t) => {
  const view = await createRecordViewer(undefined)(
    record('{"total":5}', { headers: { 'event-type': Buffer.from('placed') } }),
  );
  const printer = new TailPrinter({ json: false, base64: false });
  t.is(printer.text(view, undefined), 'orders/3/1402  2023-11-14 22:13:20  A-17  placed  {"total":5}\n');
  t.is(
    printer.text(view, {
      state: 'duplicate',
      first: 'orders/3/7',
      workflowId: 'A-17',
      link: 'http://ui.test',
    }),
    'orders/3/1402  2023-11-14 22:13:20  A-17  placed  duplicate  {"total":5}\n  the first is orders/3/7  http://ui.test\n',
  );
});

test('filters: by key, header, type and by values in the event; all must hold', async (t) => {
  const view = await createRecordViewer(undefined)(
    record('{"customer":{"id":17,"name":"Jo"},"tags":["a"]}', {
      headers: {
        'event-type': Buffer.from('placed'),
        'idempotency-key': Buffer.from('k1'),
        source: [Buffer.from('shop'), Buffer.from('web')],
      },
    }),
  );
  const matches = (filter: TailFilter): boolean => tailFilter(filter)(view);
  t.true(matches({}));
  t.true(matches({ key: 'A-17' }));
  t.true(matches({ key: 'k1' }));
  t.false(matches({ key: 'A-1' }));
  t.true(matches({ headers: { source: ['shop', 'web'] } }));
  t.false(matches({ headers: { source: ['shop', 'else'] } }));
  t.false(matches({ headers: { constructor: ['x'] } }));
  t.true(matches({ eventType: 'placed' }));
  t.false(matches({ eventType: 'paid' }));
  t.true(matches({ where: { '/customer/id': ['17'], '/customer/name': ['Jo'], '/tags': ['["a"]'] } }));
  t.false(matches({ where: { '/customer/id': ['17'], '/customer/name': ['Joe'] } }));
  t.false(matches({ where: { '/nowhere': ['undefined'] } }));
  t.false(matches({ key: 'A-17', eventType: 'paid' }));
});

test('outcomes are asked for side by side and come in order, each as soon as it is there', async (t) => {
  let give: (n: number) => void = () => undefined;
  async function* source(): AsyncIterable<number> {
    for (;;) yield await new Promise<number>((resolve) => (give = resolve));
  }
  const answers = new Map<number, (text: string) => void>();
  const results = inOrder(source(), (n) => new Promise<string>((resolve) => answers.set(n, resolve)))[
    Symbol.asyncIterator
  ]();
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const first = results.next();
  for (const n of [1, 2]) {
    await turn();
    give(n);
  }
  await turn();
  answers.get(2)!('two');
  await turn();
  answers.get(1)!('one');
  t.is((await first).value, 'one', 'though nothing more comes');
  t.is((await results.next()).value, 'two');
});

test('what the source or a question throws ends it', async (t) => {
  async function* two(): AsyncIterable<number> {
    yield 1;
    throw new Error('the source is broken');
  }
  const results = inOrder(two(), async (n) => n)[Symbol.asyncIterator]();
  t.is((await results.next()).value, 1);
  await t.throwsAsync(results.next() as Promise<unknown>, { message: 'the source is broken' });
  const failing = inOrder(two(), () => Promise.reject(new Error('no answer')))[Symbol.asyncIterator]();
  await t.throwsAsync(failing.next() as Promise<unknown>, { message: 'no answer' });
});

test('it begins where it was told to, and ends after so many that match', async (t) => {
  const asked: unknown[] = [];
  const log = {
    logs: async () => [
      { topic: 'orders', partition: 0, start: 10n, end: 20n },
      { topic: 'orders', partition: 1, start: 0n, end: 5n },
    ],
    offsetsAt: async () => new Map([[0, 15n]]),
    async *read(_topic: string, from: ReadonlyMap<number, bigint>) {
      asked.push(Object.fromEntries(from));
      for (let n = 0; n < 100; n++) yield record(`{"n":${n}}`);
    },
  };
  const view = createRecordViewer(undefined);
  const numbers = async (from: 'earliest' | 'latest' | bigint | Date, partition?: number) => {
    const found: unknown[] = [];
    const matches = tailFilter({ where: {} });
    const request = { topic: 'orders', from, follow: true, limit: 2, matches };
    for await (const one of tail(
      { log, view },
      { ...request, ...(partition === undefined ? {} : { partition }) },
    ))
      found.push(one.view.event);
    return found;
  };
  t.deepEqual(await numbers('earliest'), [{ n: 0 }, { n: 1 }]);
  await numbers('latest');
  await numbers(12n);
  await numbers(3n, 1);
  await numbers(new Date());
  t.deepEqual(asked, [
    { 0: 10n, 1: 0n },
    { 0: 20n, 1: 5n },
    { 0: 12n, 1: 12n },
    { 1: 3n },
    { 0: 15n, 1: 5n },
  ]);
  await t.throwsAsync(numbers('earliest', 7), {
    message: 'Expected a partition of orders (it has 2), got 7',
  });
});

test('a reader goes on behind what came, and past what is never handed on', (t) => {
  const positions = new LogPositions(new Map([[0, 5n]]), new Map([[0, 12n]]));
  const fetched = (offsets: readonly number[], last?: number, stableEnd = 12) => ({
    partition: 0,
    from: positions.of(0),
    messages: offsets.map((offset) => ({ offset: String(offset) })),
    last: last === undefined ? undefined : BigInt(last),
    stableEnd: BigInt(stableEnd),
  });
  const take = (...args: Parameters<typeof fetched>) =>
    positions.take(fetched(...args)).map(({ offset }) => Number(offset));
  t.deepEqual(take([3, 4, 5, 6], 6), [5, 6], 'a batch that begins before our place');
  t.is(positions.of(0), 7n);
  t.deepEqual(take([], 8), [], 'a marker of a transaction');
  t.is(positions.of(0), 9n);
  t.deepEqual(take([], 6), [], 'a batch whose end the cleaner has removed');
  t.is(positions.of(0), 10n);
  for (let n = 0; n < 5; n++) take([]);
  t.is(positions.of(0), 11n, 'a batch that the cleaner has emptied');
  t.deepEqual(take([11, 12, 13], 13), [11], 'and not past its end');
  t.true(positions.over);
});

test('an open transaction is not waited for where the reading is to end', (t) => {
  const positions = new LogPositions(new Map([[0, 5n]]), new Map([[0, 12n]]));
  positions.take({ partition: 0, from: 5n, messages: [], last: undefined, stableEnd: 5n });
  t.true(positions.over);
  const following = new LogPositions(new Map([[0, 5n]]), undefined);
  following.take({ partition: 0, from: 5n, messages: [], last: undefined, stableEnd: 5n });
  t.false(following.over);
  following.discover([0, 1]);
  t.deepEqual(following.open, [0, 1]);
  following.clamp(0, 7n, 9n);
  t.is(following.of(0), 7n, 'what is gone is passed');
});

test('an answer that comes late, from a leader that is none any more, skips and repeats nothing', (t) => {
  const positions = new LogPositions(new Map([[0, 5n]]), undefined);
  const take = (from: bigint, offsets: readonly number[]) =>
    positions
      .take({
        partition: 0,
        from,
        messages: offsets.map((offset) => ({ offset: String(offset) })),
        last: offsets.length === 0 ? undefined : BigInt(offsets.at(-1)!),
        stableEnd: 100n,
      })
      .map(({ offset }) => Number(offset));
  t.deepEqual(take(5n, [5, 6, 7, 8]), [5, 6, 7, 8]);
  t.deepEqual(take(5n, [5, 6]), []);
  t.is(positions.of(0), 9n);
  t.deepEqual(take(5n, []), []);
  t.deepEqual(take(5n, [5, 6, 7, 8, 9]), [9]);
  t.is(positions.of(0), 10n);
});
