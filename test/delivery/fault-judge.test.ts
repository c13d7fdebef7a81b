import test from 'ava';
import fc from 'fast-check';
import { FaultJudge } from '../../bridge/delivery/fault-judge.js';

test('a record that keeps failing while others pass is alone at the fifth time', (t) => {
  const judge = new FaultJudge();
  const verdicts = [judge.failed('bad')];
  for (let index = 0; index < 5; index++) {
    judge.passed(`good ${index}`);
    verdicts.push(judge.failed('bad'));
  }
  t.deepEqual(verdicts, ['systemic', 'systemic', 'systemic', 'systemic', 'systemic', 'alone']);
});

test('a failure while nothing else was tried says nothing, and the count begins anew', (t) => {
  const judge = new FaultJudge();
  judge.failed('bad');
  for (let round = 0; round < 4; round++) {
    judge.passed('good');
    t.is(judge.failed('bad'), 'systemic');
  }
  t.is(judge.failed('bad'), 'systemic');
  for (let round = 0; round < 4; round++) {
    judge.passed('good');
    t.is(judge.failed('bad'), 'systemic');
  }
  judge.passed('good');
  t.is(judge.failed('bad'), 'alone');
});

test('one success clears a record', (t) => {
  const judge = new FaultJudge();
  for (let round = 0; round < 5; round++) {
    t.is(judge.failed('bad'), 'systemic');
    judge.passed('good');
  }
  judge.passed('bad');
  t.is(judge.suspects, 0);
  t.is(judge.failed('bad'), 'systemic');
});

test('unwitnessed: failed, and nothing else was tried since', (t) => {
  const judge = new FaultJudge();
  t.false(judge.unwitnessed('a'), 'it has not failed');
  judge.failed('a');
  t.true(judge.unwitnessed('a'));
  judge.passed('b');
  t.false(judge.unwitnessed('a'));
  judge.failed('a');
  t.true(judge.unwitnessed('a'));
  judge.failed('b');
  t.false(judge.unwitnessed('a'));
});

test('what is no longer tried is forgotten', (t) => {
  const judge = new FaultJudge();
  judge.failed('a');
  judge.failed('b');
  judge.forget('a');
  t.is(judge.suspects, 1);
  judge.passed('b');
  t.is(judge.suspects, 0);
});

const ids = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');

test('where all records fail none is ever alone', (t) => {
  fc.assert(
    fc.property(fc.array(ids, { maxLength: 300 }), (order) => {
      const judge = new FaultJudge();
      return order.every((id) => judge.failed(id) === 'systemic');
    }),
  );
  t.pass();
});

test('an overloaded server that lets a few through makes nobody alone', (t) => {
  // In each round all records fail, in any order, and fewer calls than ten for each pass.
  const rounds = fc.array(
    fc.record({
      order: fc.shuffledSubarray(['a', 'b', 'c', 'd', 'e', 'f'], { minLength: 6 }),
      passes: fc.array(fc.nat(5), { maxLength: 9 }),
    }),
    { minLength: 6, maxLength: 40 },
  );
  fc.assert(
    fc.property(rounds, (all) => {
      const judge = new FaultJudge();
      let passed = 0;
      return all.every(({ order, passes }) =>
        order.every((id, index) => {
          for (const after of passes) if (after === index) judge.passed(`good ${passed++}`);
          return judge.failed(id) === 'systemic';
        }),
      );
    }),
  );
  t.pass();
});

test('a lone failing record is found at its fifth failure after the first, however many others pass between', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 5, maxLength: 5 }), (passes) => {
      const judge = new FaultJudge();
      const verdicts = [judge.failed('bad')];
      for (const count of passes) {
        for (let index = 0; index < count; index++) judge.passed(`good ${index}`);
        verdicts.push(judge.failed('bad'));
      }
      return verdicts.indexOf('alone') === 5;
    }),
  );
  t.pass();
});

test('two poisons among many that pass are both found', (t) => {
  const judge = new FaultJudge();
  const found = new Set<string>();
  for (let round = 0; round < 7; round++) {
    for (const id of ['poison 1', 'poison 2']) if (judge.failed(id) === 'alone') found.add(id);
    for (let index = 0; index < 20; index++) judge.passed(`good ${index}`);
  }
  t.deepEqual([...found].sort(), ['poison 1', 'poison 2']);
});
