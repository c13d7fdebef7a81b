import test from 'ava';
import fc from 'fast-check';
import { CLOSED, turned, type CircuitState } from '../../../workflows/capacity/circuit.js';

const params = {
  numRuns: 1_000,
  includeErrorInReport: true,
  // For `npm run mutants`: a bug is found or not, whoever runs it, and need not be shrunk.
  ...(process.env['KTB_MUTANT'] ? { seed: 7, endOnFailure: true } : {}),
};

test('cuts alone never open the circuit, however fast the limit falls and slowly in flight follows', (t) => {
  const falls = fc.array(fc.record({ cut: fc.nat(60), done: fc.nat(20) }), { maxLength: 40 });
  fc.assert(
    fc.property(falls, (list) => {
      let [circuit, limit, inFlight]: [CircuitState, number, number] = [CLOSED, 200, 200];
      for (const [index, { cut, done }] of list.entries()) {
        const after = Math.max(10, limit - cut);
        inFlight = Math.max(0, inFlight - done);
        const moment = { inFlight, limit: after, gone: false, excused: after < limit, responses: 0 };
        circuit = turned(circuit, moment, index * 1_000);
        limit = after;
        if (circuit.name !== 'closed') throw new Error(`${circuit.name} at ${inFlight} of ${limit}`);
      }
    }),
    params,
  );
  t.pass();
});

test('what comes on top opens it, also after a cut, and in time it closes again', (t) => {
  const before = fc.array(fc.record({ cut: fc.nat(60), done: fc.nat(40) }), { maxLength: 10 });
  fc.assert(
    fc.property(before, fc.boolean(), (list, byTime) => {
      let [circuit, limit, inFlight, now]: [CircuitState, number, number, number] = [CLOSED, 200, 200, 0];
      let highest = 200;
      const expect = (name: CircuitState['name'], when: string) => {
        if (circuit.name !== name) throw new Error(`${circuit.name}, not ${name}: ${when}`);
      };
      const turn = (excused: boolean, responses: number) => {
        circuit = turned(circuit, { inFlight, limit, gone: false, excused, responses }, now);
      };
      for (const { cut, done } of list) {
        const after = Math.max(10, limit - cut);
        inFlight = Math.max(0, inFlight - done);
        highest = after < limit ? Math.max(inFlight, after) : Math.max(after, Math.min(highest, inFlight));
        const excused = after < limit;
        limit = after;
        turn(excused, 0);
        turn(false, 0);
      }
      inFlight = Math.max(highest, limit) * 1.5;
      turn(false, 0);
      expect('closed', `open at ${inFlight}, which is not over`);
      inFlight += 1;
      turn(false, 0);
      expect('open', `at ${inFlight} of ${limit}`);
      limit = 10;
      inFlight = 11;
      turn(false, 100);
      expect('open', 'at 11 of 10');
      inFlight = 10;
      turn(false, 100);
      expect('half-open', 'under the limit');
      now += byTime ? 29_999 : 1;
      turn(false, byTime ? 0 : 99);
      expect('half-open', 'before its window');
      now += byTime ? 1 : 0;
      turn(false, byTime ? 0 : 1);
      expect('closed', 'after its window');
    }),
    params,
  );
  t.pass();
});
