import test from 'ava';
import fc from 'fast-check';
import { memberText } from '../../../bridge/operate/produce/json-member.js';
import { lineReader, type LineOptions } from '../../../bridge/operate/produce/line-record.js';

const read = (line: string | Buffer, options: LineOptions = {}) => lineReader(options)(Buffer.from(line));

/** What would be sent, as text. */
function sent(line: string | Buffer, options: LineOptions = {}) {
  const result = read(line, options);
  if (result.kind !== 'record') throw new Error(`Expected a record, got ${JSON.stringify(result)}`);
  const { key, value, headers, ...rest } = result.message;
  return {
    ...(key === undefined ? {} : { key: String(key) }),
    value: value === null ? null : value.toString(),
    headers: Object.fromEntries(
      Object.entries(headers ?? {}).map(([name, values]) => [name, (values as Buffer[]).map(String)]),
    ),
    ...rest,
  };
}

const why = (line: string | Buffer, options: LineOptions = {}): string => {
  const result = read(line, options);
  return result.kind === 'bad' ? result.why : `not bad: ${result.kind}`;
};

test('a line has key, value, headers, partition and timestamp; only the value is needed', (t) => {
  t.deepEqual(
    sent(
      '{"key":"A-17","value":{"total":5},"headers":{"event-type":"placed","tag":["a","b"],"n":3},"partition":2,"timestamp":1700000000000}',
    ),
    {
      key: 'A-17',
      value: '{"total":5}',
      headers: { 'event-type': ['placed'], tag: ['a', 'b'], n: ['3'] },
      partition: 2,
      timestamp: 1700000000000,
    },
  );
  t.deepEqual(sent('{"value":1}'), { value: '1', headers: {} });
  t.deepEqual(sent('{"value":"text"}'), { value: '"text"', headers: {} }, 'JSON, with its quotes');
  t.is(sent('{"key":17,"value":1}').key, '17');
});

test('the value is sent as it stands there: no number is rounded, no blank is lost', (t) => {
  const value = '{ "id" : 12345678901234567890, "rate":1.10, "id2":1e400, "a":"\\u00e4" }';
  t.is(sent(`{"headers":{"value":"}"},"value":${value},"key":"a\\"value\\":1"}`).value, value);
});

test('null is a tombstone; bytes come as base64', (t) => {
  t.is(sent('{"key":"a","value":null}').value, null);
  const result = read('{"keyBase64":"/wA=","valueBase64":"","headersBase64":{"raw":["/w==","AA=="]}}');
  t.like(result, { kind: 'record', message: { key: Buffer.from([255, 0]), value: Buffer.alloc(0) } });
  if (result.kind === 'record')
    t.deepEqual(result.message.headers, { raw: [Buffer.from([255]), Buffer.from([0])] } as never);
});

test('with raw a line is the value itself, whatever it is', (t) => {
  t.deepEqual(sent('no JSON', { raw: true }), { value: 'no JSON', headers: {} });
  t.is(sent('', { raw: true }).value, '');
  const bytes = Buffer.from([0xff, 0x00]);
  const result = read(bytes, { raw: true });
  t.like(result, { kind: 'record', message: { value: bytes } });
});

test('the key stands in the value where a pointer says so, for lines without one', (t) => {
  const options = { keyField: '/order/id' };
  t.is(sent('{"value":{"order":{"id":"A-17"}}}', options).key, 'A-17');
  t.is(sent('{"value":{"order":{"id":"A-17"}},"key":"mine"}', options).key, 'mine');
  t.false('key' in sent('{"value":{"order":{"id":"A-17"}},"key":null}', options), 'none, on purpose');
  t.is(sent('{"order":{"id":17}}', { ...options, raw: true }).key, '17');
  t.regex(why('{"value":{}}', options), /string or a number at "\/order\/id"/);
  t.regex(why('{"order":{"id":12345678901234567890}}', { ...options, raw: true }), /string or a number/);
});

test('headers of the command are for lines that have no such header; a partition can be passed over', (t) => {
  const options = { headers: { source: ['file'], tag: ['a', 'b'] }, partitions: false };
  t.deepEqual(sent('{"value":1,"headers":{"source":"mine"},"partition":7}', options), {
    value: '1',
    headers: { source: ['mine'], tag: ['a', 'b'] },
  });
});

test('what ktb tail prints beside the record is passed over', (t) => {
  const line =
    '{"topic":"o","partition":1,"offset":"17","timestamp":5,"value":1,"route":"r","state":"failed","workflowId":"w","error":"e"}';
  t.deepEqual(sent(line), { value: '1', headers: {}, partition: 1, timestamp: 5 });
});

test('a blank line is none', (t) => {
  t.is(read('').kind, 'blank');
  t.is(read(' \t').kind, 'blank');
});

for (const [line, expected] of [
  ['{"value":1', /Expected the line to be JSON, got "\{\\"value\\":1"/],
  ['17', /object with a `value`, got "17"; lines that are values themselves need --raw/],
  ['[{"value":1}]', /object with a `value`/],
  ['{"orderId":"A-17"}', /got "orderId"; lines that are values themselves need --raw/],
  ['{"key":"a"}', /`value` or `valueBase64`, got neither/],
  ['{"value":1,"valueBase64":"AA=="}', /`value` or `valueBase64`, got both/],
  ['{"value":1,"key":"a","keyBase64":"AA=="}', /`key` or `keyBase64`, got both/],
  ['{"valueBase64":"not base64"}', /`valueBase64` to be base64, got "not base64"/],
  ['{"valueBase64":7}', /`valueBase64` to be base64, got a number/],
  ['{"value":1,"key":{}}', /`key` to be a string or a number, got an object/],
  ['{"value":1,"headers":[]}', /`headers` to be an object, got an array/],
  ['{"value":1,"headers":{"a":{}}}', /`headers\.a` to be a string, got an object/],
  ['{"value":1,"headers":{"":"a"}}', /names, got an empty one/],
  ['{"value":1,"partition":-1}', /`partition` to be a whole number, got -1/],
  ['{"value":1,"partition":"1"}', /`partition` to be a whole number, got a string/],
  ['{"value":1,"timestamp":1.5}', /`timestamp` to be epoch milliseconds, got 1\.5/],
  ['{"value":1,"headrs":{}}', /got "headrs"/],
] as const)
  test(`a bad line says what was expected: ${line}`, (t) => t.regex(why(line), expected));

test('bytes that are no UTF-8 make a bad line, not another text', (t) => {
  t.regex(why(Buffer.from('{"value":"\xff"}', 'latin1')), /UTF-8/);
});

test('a bad line can not drive a terminal', (t) => {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  t.notRegex(why('{"value":1,"\u001b[2J\\u001b[2J":1}'), /\u001b/);
});

test('a member is found as JSON.parse finds it, in any object', (t) => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.oneof(fc.constantFrom('value', 'a"value', '{', '\\'), fc.string()), fc.jsonValue()),
      fc.constantFrom(0, 1, 2),
      (object, blanks) => {
        const text = JSON.stringify(object, null, blanks);
        const found = memberText(text, 'value');
        const expected = Object.hasOwn(object, 'value') ? JSON.stringify(object['value']) : undefined;
        t.is(found === undefined ? undefined : JSON.stringify(JSON.parse(found)), expected);
      },
    ),
  );
  t.is(memberText('{"value":1,"value":2}', 'value'), '2', 'the last one counts');
  t.is(memberText('{"v\\u0061lue" : [1, {"value":3}] }', 'value'), '[1, {"value":3}]');
});
