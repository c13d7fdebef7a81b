import test from 'ava';
import { MinimumShare } from '../../bridge/admission/minimum-share.js';

function setup(minimum = 10) {
  const seen = { backlog: 0 };
  return { seen, share: new MinimumShare({ minimum, backlog: () => seen.backlog }) };
}

test('so many go as the part has, and each task that is taken lets one more go', (t) => {
  const { seen, share } = setup(3);
  t.deepEqual(
    [1, 2, 3, 4].map(() => share.take(1)),
    [true, true, true, false],
  );
  seen.backlog = 3; // they were started
  for (let index = 0; index < 3; index++) share.settled(1);
  t.false(share.take(1));
  seen.backlog = 2;
  t.true(share.take(1));
  t.false(share.take(1));
});

test('bridges share the minimum, and each has one at least', (t) => {
  const { share } = setup(10);
  share.bridges = 3;
  t.is(share.part, 3);
  share.bridges = 50;
  t.is(share.part, 1);
  share.bridges = 0;
  t.is(share.part, 10);
});

test('one that is heavier than the part goes alone', (t) => {
  const { seen, share } = setup(2);
  seen.backlog = 1;
  t.false(share.take(5));
  seen.backlog = 0;
  t.true(share.take(5));
  t.false(share.take(1));
});
