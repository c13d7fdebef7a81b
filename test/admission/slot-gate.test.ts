import test from 'ava';
import { SlotGate, type SlotNeed } from '../../bridge/admission/slot-gate.js';

function setup() {
  const slots = new Map<string, number>();
  const behind = {
    left: Number.POSITIVE_INFINITY,
    held: false,
    room: (weight: number) => weight <= behind.left,
    passing: ['high', 'medium', 'low'],
    passes: (priority: string) => behind.passing.includes(priority),
  };
  const back: string[] = [];
  let asked = 0;
  const gate = new SlotGate({
    take: ({ classes, weight }) => {
      const line = classes.join(' ');
      const left = slots.get(line) ?? 0;
      if (left < weight) return undefined;
      slots.set(line, left - weight);
      behind.left -= weight;
      return Array.from({ length: weight }, (_, index) => `${line}:${left - index}`);
    },
    giveBack: (some) => back.push(...some),
    wanting: () => asked++,
  });
  gate.open(behind);
  const passed: string[] = [];
  const wait = (name: string, need: Partial<SlotNeed> = {}) =>
    gate.wait({ classes: [], weight: 1, priority: 'medium', ...need }, () => passed.push(name));
  const lend = (count: number, line = '') => {
    slots.set(line, (slots.get(line) ?? 0) + count);
    gate.turn();
  };
  return { gate, wait, lend, passed, behind, back, asked: () => asked };
}

test('who finds a slot passes at once, the others in their order when there are some', (t) => {
  const { wait, lend, passed, gate } = setup();
  lend(1);
  for (const name of ['a', 'b', 'c']) wait(name);
  t.deepEqual(passed, ['a']);
  t.is(gate.waiting, 2);
  lend(1);
  t.deepEqual(passed, ['a', 'b']);
  lend(5);
  t.deepEqual(passed, ['a', 'b', 'c']);
});

test('by priority first, then who came first', (t) => {
  const { wait, lend, passed } = setup();
  wait('low', { priority: 'low' });
  wait('medium');
  wait('high', { priority: 'high' });
  wait('low2', { priority: 'low' });
  wait('high2', { priority: 'high' });
  wait('medium2');
  lend(6);
  t.deepEqual(passed, ['high', 'high2', 'medium', 'medium2', 'low', 'low2']);
});

test('what is capped waits in a line of its own and keeps nobody out', (t) => {
  const { wait, lend, passed, gate } = setup();
  wait('capped', { classes: ['route:s/a'], priority: 'high' });
  wait('other', { classes: ['type:t'] });
  wait('free');
  lend(1);
  t.deepEqual(passed, ['free']);
  lend(1, 'type:t');
  t.deepEqual(passed, ['free', 'other']);
  t.deepEqual(gate.waitingOf(['route:s/a']), { count: 1, high: 1 });
  t.deepEqual(gate.waitingOf([]), { count: 0, high: 0 });
});

test('in a line a heavy one waits until it has all, and nothing behind it slips past', (t) => {
  const { wait, lend, passed } = setup();
  wait('heavy', { weight: 3 });
  wait('light');
  lend(2);
  t.deepEqual(passed, []);
  lend(2);
  t.deepEqual(passed, ['heavy', 'light']);
});

test('without room behind it, or while it is held, nobody takes a slot, and none is asked for', (t) => {
  const { wait, lend, passed, behind, gate, asked } = setup();
  behind.left = 1;
  lend(5);
  for (const name of ['a', 'b']) wait(name);
  t.deepEqual(passed, ['a']);
  t.is(gate.short, 'no');
  behind.left = 5;
  behind.held = true;
  gate.turn();
  t.deepEqual(passed, ['a']);
  t.deepEqual(gate.waitingOf([]), { count: 0, high: 0 });
  t.is(asked(), 0);
  behind.held = false;
  gate.turn();
  t.deepEqual(passed, ['a', 'b']);
});

test('it says whether something waits for a slot only, and of which priority', (t) => {
  const { wait, lend, gate, asked } = setup();
  wait('low', { priority: 'low' });
  t.is(gate.short, 'yes');
  t.is(asked(), 1);
  const leave = wait('high', { priority: 'high' });
  t.is(gate.short, 'high');
  leave();
  t.is(gate.short, 'yes');
  lend(1);
  t.is(gate.short, 'no');
});

test('who has left takes nothing', (t) => {
  const { wait, lend, passed } = setup();
  const leave = wait('gone');
  wait('there');
  leave();
  leave();
  lend(1);
  t.deepEqual(passed, ['there']);
});

test('what may not pass takes no slot and asks for none, and those above it go on', (t) => {
  const { wait, lend, passed, behind, gate } = setup();
  behind.passing = ['high', 'medium'];
  wait('low', { priority: 'low' });
  wait('medium');
  lend(3);
  t.deepEqual(passed, ['medium']);
  t.deepEqual(gate.waitingOf([]), { count: 0, high: 0 });
  t.is(gate.short, 'no');
  behind.passing = ['high', 'medium', 'low'];
  t.deepEqual(gate.waitingOf([]), { count: 1, high: 0 });
  gate.turn();
  t.deepEqual(passed, ['medium', 'low']);
});
