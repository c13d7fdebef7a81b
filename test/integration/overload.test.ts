import test from 'ava';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SdkCapacityPort } from '../../bridge/temporal/sdk-capacity-port.js';
import type { CapacityView } from '../../workflows/capacity/contract.js';
import { ConstantLoad } from '../faults/constant-load.js';
import { createScene } from '../faults/scene.js';
import { verdict } from '../faults/verdict.js';
import { plainTemporal } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';

const INITIAL = 30;
const MINIMUM = 5;
/** As small as it can be seen: the same rules, at a third of the default times. */
const CAPACITY = `capacity: { initial: ${INITIAL}, minimum: ${MINIMUM}, maximum: ${INITIAL}, slowMs: 300 },`;
const SLOW_MS = 700;
const PARTITIONS = 4;

const ACTIVITIES = `
import { readFileSync } from 'node:fs';
import { Context } from '@temporalio/activity';
import { handlersRecord } from '${new URL('../faults/handlers-record.ts', import.meta.url).pathname}';
const journal = handlersRecord(process.env.KTB_HANDLERS_RECORD);
export async function handle(event, record) {
  return journal.around(event, record, () => Context.current().sleep(Number(readFileSync(process.env.KTB_PACE, 'utf8'))));
}
`;

/** A bridge and one worker of so many slots, whose handler takes as long as `pace` says. */
async function stage(slots: number) {
  const scene = await createScene({
    partitions: PARTITIONS,
    routes: `[{ id: 'work', topic: TOPIC, activity: 'handle' }]`,
    activities: ACTIVITIES,
    config: `${CAPACITY} worker: { activities: './activities/index.ts', ownOptions: { maxConcurrentActivityTaskExecutions: ${slots} } },`,
  });
  const port = new SdkCapacityPort(plainTemporal(scene.stack.temporal, scene.taskQueue));
  const paceFile = join(scene.project.dir, 'pace');
  const pace = (ms: number) => writeFileSync(paceFile, String(ms));
  const view = (what: string, accept: (seen: CapacityView) => boolean) =>
    until(() => port.view(5_000).catch(() => undefined), {
      what,
      timeoutMs: 180_000,
      everyMs: 500,
      accept: (seen) => seen !== undefined && accept(seen),
    });
  pace(10);
  await scene.worker('worker', { KTB_PACE: paceFile }).waitForOutput('"polling"');
  await scene.bridge().waitForOutput(/joined the group/);
  return {
    scene,
    pace,
    view,
    load: (perSecond: number) =>
      new ConstantLoad(scene, { perSecond, event: () => ({}), partition: (n) => n % PARTITIONS }),
    [Symbol.asyncDispose]: async () => {
      await port.close();
      await scene[Symbol.asyncDispose]();
    },
  };
}

test('a worker that becomes slow with all its slots busy: the limit falls to the minimum, and comes back when it is fast again', async (t) => {
  t.timeout(540_000);
  await using own = await stage(4);
  const { scene, pace, view } = own;
  await using load = own.load(12);
  await view('the load to be under way', ({ limit, responseMs }) => limit === INITIAL && responseMs !== null);
  pace(SLOW_MS);
  const slow = await view('the limit to be at the minimum', ({ limit }) => limit === MINIMUM);
  t.true(slow!.changes.some(({ why }) => why.includes('of waiting for a worker')));
  pace(10);
  await view('the limit to be back', ({ limit }) => limit === INITIAL);
  const sent = await load.stop();
  await scene.committedToEnd();
  const executions = await until(() => scene.executions(), {
    what: `all ${sent.length} executions to have ended`,
    timeoutMs: 120_000,
    accept: (all) => all.length >= sent.length && all.every(({ closeTime }) => closeTime !== undefined),
  });
  const judged = verdict({
    produced: sent,
    handled: scene.handled().calls,
    executions,
    keyOf: ({ workflowId }) => workflowId.slice(`${scene.name}:`.length),
  });
  t.deepEqual([judged.missing, judged.twice, judged.extra], [[], [], []]);
});
