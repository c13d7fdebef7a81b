import test from 'ava';
import fc from 'fast-check';
import { NumberSet } from '../../../workflows/capacity/numbers.js';

test('a set of numbers is what a plain set is, and survives its text', (t) => {
  const range = fc.tuple(fc.nat(60), fc.nat(9)).map(([from, length]) => [from, from + length] as const);
  const step = fc.tuple(fc.constantFrom('add', 'delete'), range);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), range, (steps, [from, to]) => {
      const set = new NumberSet();
      const plain = new Set<number>();
      for (const [what, [low, high]] of steps) {
        if (what === 'add') set.addRange(low, high);
        else set.deleteRange(low, high);
        for (let number = low; number <= high; number++) {
          if (what === 'add') plain.add(number);
          else plain.delete(number);
        }
      }
      const again = NumberSet.from(set.toString());
      for (let number = 0; number < 80; number++) {
        if (set.has(number) !== plain.has(number) || again.has(number) !== plain.has(number)) return false;
      }
      const within = [...plain].filter((number) => from <= number && number <= to).length;
      return set.size === plain.size && again.size === plain.size && set.countWithin(from, to) === within;
    }),
  );
  t.pass();
});

test('text that is no set of numbers is left out, the rest stays', (t) => {
  t.is(NumberSet.from('3-1,x,7,-4,9-10,1e3,,99999999999999999999').toString(), '7,9-10');
  t.is(NumberSet.from('').size, 0);
});
