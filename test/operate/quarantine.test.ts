import { ApplicationFailure } from '@temporalio/common';
import test from 'ava';
import type { QuarantineFilter } from '../../bridge/operate/quarantine.js';
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
    t.like(detail, { workflowId, state: 'waiting', decisions: [] });
    t.is(Buffer.from(detail.input.raw!.value!, 'base64').toString(), '{');
  }
});

test('a decision comes with a Reset to the start: alone, with who and why', async (t) => {
  const it = new Operated();
  const workflowId = it.quarantined(3);
  const { runId } = it.operator.current(workflowId);
  const result = await it.client.quarantine.resolve(
    workflowId,
    { action: 'drop' },
    { who: 'ann', why: 'ticket 812' },
  );
  t.like(it.operator.resets[0], {
    workflowId,
    runId,
    eventId: 4,
    reapply: 'none',
    reason: 'ann: ticket 812',
  });
  t.deepEqual(result, { workflowId, runId: it.operator.current(workflowId).runId });
  const detail = await it.client.quarantine.show(workflowId);
  t.like(detail, { state: 'through', runId: result.runId });
  t.deepEqual(detail.decisions, [{ who: 'ann', why: 'ticket 812', action: 'drop' }]);
});

test('another key and another value travel in the decision, bytes as base64', async (t) => {
  const it = new Operated();
  const who = 'ann';
  const first = it.quarantined(1);
  await it.client.quarantine.resolve(first, { action: 'startAs', key: 'order-17' }, { who, why: 'w' });
  const second = it.quarantined(2);
  const value = Buffer.from([0, 255]);
  await it.client.quarantine.resolve(second, { action: 'replaceValue', value }, { who, why: 'w' });
  t.deepEqual(
    it.operator.resets.map(({ thenSignal }) => thenSignal?.args[0]),
    [
      { who, why: 'w', action: 'startAs', key: 'order-17' },
      { who, why: 'w', action: 'replaceValue', value: 'AP8=' },
    ],
  );
});

test('of several decisions the last one counts, and all of them stand in the history', async (t) => {
  const it = new Operated();
  const heard: unknown[] = [];
  it.operator.activities['dispatch'] = (_, decisions) => {
    heard.push((decisions.at(-1) as { readonly key?: string } | undefined)?.key);
    throw ApplicationFailure.nonRetryable('it is not JSON', 'Ktb.undecodable');
  };
  const workflowId = it.quarantined(1);
  for (const key of ['first', 'second'])
    await it.client.quarantine.resolve(workflowId, { action: 'startAs', key }, { who: 'ann', why: 'w' });
  t.deepEqual(heard, [undefined, 'first', 'second']);
  const { decisions, state } = await it.client.quarantine.show(workflowId);
  t.is(state, 'waiting', 'neither did help');
  t.deepEqual(
    decisions.map((one) => 'key' in one && one.key),
    ['first', 'second'],
  );
});

test('one that still runs is told by signal, and is not reset', async (t) => {
  const it = new Operated();
  const workflowId = it.quarantined(1, { steps: [{ hear: 1 }, { call: 'dispatch' }] });
  const { runId } = it.operator.current(workflowId);
  const result = await it.client.quarantine.resolve(workflowId, { action: 'drop' }, { why: 'w' });
  t.is(result.runId, runId);
  t.is(it.operator.resets.length, 0);
  t.like(it.operator.signals[0], { workflowId, runId, name: 'ktbResolve' });
  const decision = it.operator.signals[0]!.args[0] as { readonly who: string };
  t.regex(decision.who, /.+/, 'somebody stands there, where nobody was named');
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

test('one that ended before any worker took it says how its record gets in again', async (t) => {
  const it = new Operated();
  it.operator.workers.clear();
  const workflowId = it.quarantined(41);
  it.operator.terminate(workflowId);
  const error = await t.throwsAsync(
    it.client.quarantine.resolve(workflowId, { action: 'drop' }, { why: 'w' }),
    {
      instanceOf: BridgeError,
      code: 'KTB_TEMPORAL',
    },
  );
  t.regex(error!.message, /ktb reprocess orders --partition 0 --from 41 --to 42/);
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
