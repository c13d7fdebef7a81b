import test from 'ava';
import { quarantineRequestOf } from '../../bridge/delivery/quarantine-start.js';
import { startRequestOf } from '../../bridge/delivery/record-start.js';
import { summaryOf } from '../../bridge/delivery/summary.js';
import { deliverable, SCOPE, sourceRecord } from '../helpers/doubles/mapped-records.js';

const AT = { topic: 'orders', partition: 3, offset: 17n };

test('the line in the UI says where the record stands and what it is', (t) => {
  const record = deliverable({ source: AT });
  const typed = { ...record, info: { ...record.info, eventType: 'order.placed' } };
  t.is(startRequestOf(typed, SCOPE, 1).summary, 'orders/3/17 `order.placed`');
  const untyped = { ...record, info: { ...record.info, eventType: null } };
  t.is(startRequestOf(untyped, SCOPE, 1).summary, 'orders/3/17');
});

test('of a quarantine it says what ails the record, and the details what to do', (t) => {
  const it = {
    source: sourceRecord(AT),
    reason: 'undecodable',
    message: 'not JSON',
    routeId: undefined,
  } as const;
  const whole = quarantineRequestOf(it, SCOPE, 1);
  t.is(whole.summary, 'orders/3/17 undecodable: `not JSON`');
  t.regex(whole.details ?? '', /\*\*Reset\*\* this workflow to any event/);
  const leftOut = quarantineRequestOf(it, SCOPE, 1, { keptUntil: undefined });
  t.notRegex(leftOut.details ?? '', /Reset/, 'a Reset would fail again');
});

test('the line stays within the 400 bytes that the server takes, whatever a topic and a header hold', (t) => {
  for (const text of ['x', '"', '\\', '€', '\u0000', '😀', '\u202e', '\ud800', 'x😀']) {
    const line = summaryOf({ ...AT, topic: 't'.repeat(50) }, 'conflict:', text.repeat(500));
    const payload = Buffer.byteLength(JSON.stringify(line)) + 'encoding'.length + 'json/plain'.length;
    t.true(payload <= 400, `${JSON.stringify(text)}: ${payload}`);
    t.notRegex(line, /\n/);
  }
});

test("a record's words can't become a link or markup in the UI", (t) => {
  const line = summaryOf(AT, 'undecodable:', '` [mend it](http://evil) <b>`');
  t.is(line, "orders/3/17 undecodable: `' [mend it](http://evil) <b>'`");
  t.is(line.split('`').length, 3, 'one code span');
});
