/** What the idempotency key of a published event is made of. Both halves are frozen: deduplication hangs on them. */
import test from 'ava';
import fc from 'fast-check';
import { publishedKey } from '../../bridge/temporal/ids.js';
import type { RecordMemo } from '../../workflows/contract.js';
import { identityOf } from '../../workflows/publish-identity.js';

const MEMO: RecordMemo = {
  subscription: 'shop',
  route: 'placed',
  key: 'A-17',
  topic: 'orders',
  partition: 3,
  offset: '42',
  timestamp: 1_700_000_000_000,
  processedAt: 1_700_000_000_500,
};
const OWN = { workflowId: 'nightly', firstExecutionRunId: 'first-run' };
const started = (memo: Partial<Record<keyof RecordMemo, unknown>>) => ({
  ...OWN,
  memo: { ...MEMO, ...memo },
});

test('in a workflow that a record started it is subscription, route, record key and name', (t) => {
  t.deepEqual(identityOf(started({}), '', 'paid'), ['record', 'shop', 'placed', 'A-17', 'paid']);
  t.deepEqual(
    identityOf(started({ offset: '43', timestamp: 7 }), '', 'paid'),
    identityOf(started({}), '', 'paid'),
  );
});

test('without a record key its coordinates stand in, and a topic that was made anew has others', (t) => {
  const place = ['place', 'shop', 'placed', 'orders', '3', '42@1700000000000', 'paid'];
  t.deepEqual(identityOf(started({ key: null }), '', 'paid'), place);
  t.notDeepEqual(identityOf(started({ key: null, timestamp: 1_800_000_000_000 }), '', 'paid'), place);
});

test('in a workflow that no record started it is the workflow, its first run and the name', (t) => {
  t.deepEqual(identityOf(OWN, '', 'paid'), ['run', 'nightly', 'first-run', 'paid']);
  const others = { ...OWN, memo: { subscription: 7, route: 'placed', key: 'A-17' } };
  t.deepEqual(
    identityOf(others, '', 'paid'),
    ['run', 'nightly', 'first-run', 'paid'],
    "somebody else's memo",
  );
});

test('a run that continues another one publishes events of its own', (t) => {
  t.deepEqual(identityOf(started({}), '2', 'paid'), ['record', 'shop', 'placed', 'A-17', '2', 'paid']);
});

test('different records, workflows, runs and names never have one key', (t) => {
  const text = fc.string({
    unit: fc.constantFrom('a', 'b', '/', '%', '2', 'f', '@', '1'),
    minLength: 1,
    maxLength: 4,
  });
  const own = fc.record({ workflowId: text, firstExecutionRunId: text });
  const record = fc.record({ subscription: text, route: text, key: text });
  const place = fc.record({
    subscription: text,
    route: text,
    key: fc.constant(null),
    topic: text,
    partition: fc.nat(3),
    offset: fc.nat(20).map(String),
    timestamp: fc.nat(20),
  });
  const published = fc.record({
    info: fc.oneof(
      own,
      fc.tuple(own, fc.oneof(record, place)).map(([info, memo]) => ({ ...info, memo })),
    ),
    position: fc.oneof(fc.constant(''), fc.constantFrom('1', '2', 'run-id'), text),
    name: fc.oneof(fc.constant(''), text),
  });
  const key = ({ info, position, name }: { info: typeof OWN; position: string; name: string }) =>
    publishedKey(identityOf(info, position, name));
  /** What counts: a record's workflow has any ID and run. */
  const said = ({ info, position, name }: { info: object; position: string; name: string }) =>
    JSON.stringify(['memo' in info ? info.memo : info, position, name]);
  fc.assert(
    fc.property(published, published, (one, other) => {
      t.is(key(one) === key(other), said(one) === said(other));
    }),
    { numRuns: 5_000 },
  );
});
