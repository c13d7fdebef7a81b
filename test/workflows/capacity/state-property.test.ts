import test from 'ava';
import fc from 'fast-check';
import { CAP, steps, World, type Step } from './simulation.js';

const params = {
  numRuns: 300,
  includeErrorInReport: true,
  // For `npm run mutants`: a bug is found or not, whoever runs it, and need not be shrunk.
  ...(process.env['KTB_MUTANT'] ? { seed: 7, endOnFailure: true } : {}),
};

function play(world: World, list: readonly Step[], look: (step: Step) => void = () => {}): void {
  for (const step of list) {
    world.play(step);
    look(step);
  }
}

test('whatever becomes of messages, bridges, workers and clocks, never more is in work than the limit', (t) => {
  fc.assert(
    fc.property(steps(false), (list) => {
      const world = new World();
      play(world, list, (step) => {
        const most = Math.max(world.largestLimit, 0);
        if (world.inWork() > most) throw new Error(`${step.do}: ${world.inWork()} in work, at most ${most}`);
        if (world.inWork('a') > CAP)
          throw new Error(`${step.do}: ${world.inWork('a')} in work of a class of ${CAP}`);
      });
    }),
    params,
  );
  t.pass();
});

for (const terminates of [false, true]) {
  const how = terminates ? ', also where the workflow was terminated' : '';
  test(`once messages flow again all work is done and every slot comes back${how}`, (t) => {
    fc.assert(
      fc.property(steps(terminates), fc.constantFrom('aimd', 'gradient', 'fixed'), (list, limit) => {
        const world = new World({ limit });
        play(world, list);
        if (!world.recover(240_000)) {
          const now = world.state.view(0);
          throw new Error(`${world.waiting} wait, ${now.inFlight} in flight, ${now.heldBy.join(' ')}`);
        }
      }),
      params,
    );
    t.pass();
  });
}
