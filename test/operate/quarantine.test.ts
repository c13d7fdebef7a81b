import { ApplicationFailure } from '@temporalio/common';
import test from 'ava';
import type { QuarantineFilter, ResolveAction } from '../../bridge/operate/quarantine.js';
import { BridgeError } from '../../bridge/errors.js';
import { all, Operated } from '../helpers/doubles/operated.js';

const offsetsOf = async ({ client }: Operated, filter: QuarantineFilter = {}) =>
  (await all(client.quarantine.list(filter))).map(({ offset }) => offset).toSorted();

const REFUSED = { instanceOf: BridgeError, code: 'KTB_USAGE' } as const;

test('what waits is listed, with its place, cause and reason; what went through only where it is asked for', async (t) => {
  const it = new Operated();
  const workflowId = it.quarantined(3);
  it.mended = true;
  it.quarantined(4);
  t.deepEqual(await offsetsOf(it), ['3']);
  const [one] = await all(it.client.quarantine.list());
  t.like(one, {
    workflowId,
    cause: 'undecodable',
    reason: 'it is not JSON',
    topic: 'orders',
    partition: 0,
    offset: '3',
    route: 'placed',
    state: 'waiting',
  });
  t.true(one?.link?.startsWith('http://ui.test/'));
  t.deepEqual(await offsetsOf(it, { all: true }), ['3', '4']);
});

test('it is listed by topic, route, cause and time, and at most so many', async (t) => {
  const it = new Operated();
  it.quarantined(1);
  it.quarantined(2, { cause: 'conflict' });
  it.quarantined(3, { route: 'paid' });
  t.deepEqual(await offsetsOf(it, { cause: 'conflict' }), ['2']);
  t.deepEqual(await offsetsOf(it, { route: 'paid' }), ['3']);
  t.deepEqual(await offsetsOf(it, { topic: 'others' }), []);
  t.deepEqual(await offsetsOf(it, { since: Date.now() + 1000 }), []);
  t.deepEqual(await offsetsOf(it, { until: Date.now() + 1000 }), ['1', '2', '3']);
  t.is((await offsetsOf(it, { limit: 2 })).length, 2);
});

test("another subscription's is none of ours, and a dead letter is none", async (t) => {
  const it = new Operated();
  const theirs = it.quarantined(1, { subscription: 'invoices' });
  it.record('dead');
  t.deepEqual(await offsetsOf(it), []);
  for (const [id, got] of [
    [theirs, 'a ktbQuarantine'],
    ['dead', 'a fulfilOrder'],
    ['nobody', 'nothing'],
  ] as const) {
    const error = await t.throwsAsync(it.client.quarantine.show(id), REFUSED);
    t.true(error?.message.includes(`of subscription \`orders\`, got ${got}`), error?.message);
  }
});

test('a record is shown with all that is kept of it, by its workflow, its place and its key', async (t) => {
  const it = new Operated();
  const workflowId = it.quarantined(3, { searchAttributes: { KtbKey: 'k', KtbRecord: 'orders/0/3' } });
  for (const which of [workflowId, 'orders/0/3', 'k']) {
    const detail = await it.client.quarantine.show(which);
    t.like(detail, { workflowId, state: 'waiting', decision: undefined });
    t.is(Buffer.from(detail.input.raw!.value!, 'base64').toString(), '{');
  }
});

test('a decision is another run of the same ID, with who and why beside the record', async (t) => {
  const it = new Operated();
  const workflowId = it.quarantined(3);
  const result = await it.client.quarantine.resolve(
    workflowId,
    { action: 'drop' },
    { who: 'ann', why: 'ticket 812' },
  );
  t.deepEqual(result, { workflowId, runId: it.operator.current(workflowId).runId });
  const detail = await it.client.quarantine.show(workflowId);
  t.like(detail, { state: 'through', runId: result.runId, cause: 'undecodable', offset: '3' });
  t.deepEqual(detail.decision, { who: 'ann', why: 'ticket 812', action: 'drop' });
  t.like(detail.input, { topic: 'orders', offset: '3' });
});

test('another key and another value travel in the decision, bytes as base64', async (t) => {
  const it = new Operated();
  const decided = async (offset: number, action: ResolveAction) => {
    const workflowId = it.quarantined(offset);
    await it.client.quarantine.resolve(workflowId, action, { who: 'ann', why: 'w' });
    return (await it.client.quarantine.show(workflowId)).decision;
  };
  const by = { who: 'ann', why: 'w' };
  t.deepEqual(await decided(1, { action: 'startAs', key: 'order-17' }), {
    ...by,
    action: 'startAs',
    key: 'order-17',
  });
  t.deepEqual(await decided(2, { action: 'replaceValue', value: Buffer.from([0, 255]) }), {
    ...by,
    action: 'replaceValue',
    value: 'AP8=',
  });
});

test('a decision that did not help is followed by another one', async (t) => {
  const it = new Operated();
  const heard: unknown[] = [];
  it.operator.activities['dispatch'] = (_, [, decision]) => {
    heard.push((decision as { readonly key?: string } | undefined)?.key);
    throw ApplicationFailure.nonRetryable('it is not JSON', 'Ktb.undecodable');
  };
  const workflowId = it.quarantined(1);
  for (const key of ['first', 'second'])
    await it.client.quarantine.resolve(workflowId, { action: 'startAs', key }, { who: 'ann', why: 'w' });
  t.deepEqual(heard, [undefined, 'first', 'second']);
  const { decision, state, reason } = await it.client.quarantine.show(workflowId);
  t.like({ state, reason }, { state: 'waiting', reason: 'it is not JSON' });
  t.like(decision, { key: 'second' });
  t.deepEqual(await offsetsOf(it), ['1'], 'the runs before are no records of their own');
});

test('a retry keeps the decision: it is the same run, reset', async (t) => {
  const it = new Operated();
  const heard: unknown[] = [];
  it.operator.activities['dispatch'] = (_, [, decision]) => {
    heard.push((decision as { readonly key?: string } | undefined)?.key);
    throw ApplicationFailure.nonRetryable('it is not JSON', 'Ktb.undecodable');
  };
  const workflowId = it.quarantined(1);
  await it.client.quarantine.resolve(workflowId, { action: 'startAs', key: 'k' }, { why: 'w' });
  await it.client.quarantine.retry([workflowId]);
  t.deepEqual(heard, [undefined, 'k', 'k']);
});

test('one that still runs makes way for the decision', async (t) => {
  const it = new Operated();
  const workflowId = it.quarantined(1, { steps: [{ hear: 1 }, { call: 'dispatch' }] });
  const { runId } = it.operator.current(workflowId);
  const result = await it.client.quarantine.resolve(workflowId, { action: 'drop' }, { why: 'w' });
  t.not(result.runId, runId);
  t.is((await it.operator.inspect(workflowId, runId))?.status, 'terminated');
  t.regex(
    (await it.client.quarantine.show(workflowId)).decision!.who,
    /.+/,
    'somebody, where nobody was named',
  );
});

test('one that ended before any worker took it can be decided about', async (t) => {
  const it = new Operated();
  it.operator.workers.clear();
  const workflowId = it.quarantined(41);
  it.operator.terminate(workflowId);
  it.operator.poll('orders-ktb');
  await it.client.quarantine.resolve(workflowId, { action: 'drop' }, { why: 'w' });
  t.is((await it.client.quarantine.show(workflowId)).state, 'through');
});

test('about what has gone through nobody decides any more', async (t) => {
  const it = new Operated();
  it.mended = true;
  const workflowId = it.quarantined(1);
  const error = await t.throwsAsync(
    it.client.quarantine.resolve(workflowId, { action: 'drop' }, { why: 'w' }),
    REFUSED,
  );
  t.regex(error!.message, /Expected a record that waits in quarantine, got one that has gone through/);
});

test('a retry sends through what is in quarantine, and leaves a dead letter of the same key as it is', async (t) => {
  const it = new Operated();
  it.record('k');
  const ids = [it.quarantined(5), it.quarantined(6)];
  const marked = { searchAttributes: { KtbKey: 'k' } };
  const more = it.quarantined(7, marked);
  it.mended = true;
  const report = await it.client.quarantine.retry(['k', ids[0]!, 'nobody']);
  t.deepEqual(report.entries.map(({ letter }) => letter.workflowId).toSorted(), [ids[0]!, more].toSorted());
  t.deepEqual(report.notFound, ['nobody']);
  t.true(it.operator.resets.every(({ reapply }) => reapply === 'none'));
  t.is(it.operator.current('k').status, 'failed');
  t.deepEqual(await offsetsOf(it), ['6']);
});
