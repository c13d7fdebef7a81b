import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createDeadLetterScene, type DeadLetterScene } from '../faults/dead-letter-scene.js';
import { startChromium, type Chromium } from '../helpers/chromium.js';
import { TemporalUiPage } from '../helpers/temporal-ui-page.js';
import { listExecutions } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';

/**
 * Temporal's own UI in a real browser. Nothing here asks the server for a Reset: each one is a click, its request is
 * read off the page, and the run that completes is the one that the server answered that request with.
 */
const scenes: DeadLetterScene[] = [];
const browsers: Chromium[] = [];
let letters: DeadLetterScene;

test.before(async () => {
  browsers.push(await startChromium());
  letters = await createDeadLetterScene();
  scenes.push(letters);
  await letters.fail({ w: 'workflow', first: 'activity', last: 'activity', q: 'decoded' });
  letters.mend();
});

test.after.always(async () => {
  for (const one of browsers) await one[Symbol.asyncDispose]();
  for (const one of scenes) await one[Symbol.asyncDispose]();
});

async function openUi(t: ExecutionContext): Promise<TemporalUiPage> {
  const { stack } = letters.scene;
  if (stack.ui === undefined)
    throw new Error("Expected the stack to have Temporal's UI: run it by `npm test -- <file>`");
  const page = await TemporalUiPage.open(browsers[0]!.browser, stack.ui.url, stack.temporal.namespace);
  t.teardown(async () => page[Symbol.asyncDispose]());
  return page;
}

/** KTB_SCREENSHOTS=<folder> keeps what a user sees. */
async function show(ui: TemporalUiPage, name: string): Promise<void> {
  const folder = process.env['KTB_SCREENSHOTS'];
  if (folder === undefined || folder === '') return;
  mkdirSync(folder, { recursive: true });
  await ui.page.screenshot({ path: join(folder, `${name}.png`) });
}

interface ResetCase {
  readonly name: string;
  readonly workflowId: string;
  /** What is typed into the list's search. */
  readonly query: string;
  /** Text that the execution's page must show: the reason, as a reader finds it. */
  readonly reason: string;
  /** Of the line beside it. */
  readonly summary: RegExp;
  readonly choose: (offered: readonly string[], page: string) => string;
}

/** From the list to the new run, by clicks. @returns the result of the run that the Reset made */
async function resetByClicks(t: ExecutionContext, it: ResetCase): Promise<unknown> {
  const { client } = letters.scene;
  const [failed] = await listExecutions(client, `WorkflowId = "${it.workflowId}"`);
  const ui = await openUi(t);
  await ui.list(it.query);
  await show(ui, `${it.name}-1-list`);
  await ui.follow(it.workflowId);
  await ui.page.getByText(it.reason).first().waitFor();
  await show(ui, `${it.name}-2-page`);
  const text = await ui.page.locator('body').innerText();
  const metadata = await ui.metadata();
  await show(ui, `${it.name}-2-metadata`);
  t.regex(metadata.summary, it.summary);
  const offered = await ui.openReset();
  await show(ui, `${it.name}-3-offered`);
  const chosen = it.choose(offered, text);
  const sent = await ui.reset(chosen, `${it.name} is mended`);
  t.like(sent, {
    workflowId: it.workflowId,
    runId: failed!.runId,
    eventId: /^\d+/.exec(chosen)![0],
    reason: `${it.name} is mended`,
  });
  const result = await client.workflow.getHandle(it.workflowId, sent.newRunId).result();
  const runs = await until(async () => listExecutions(client, `WorkflowId = "${it.workflowId}"`), {
    what: 'both runs in the list',
    accept: (found) => found.length === 2,
  });
  t.deepEqual(
    runs.map(({ runId }) => runId).sort(),
    [failed!.runId, sent.newRunId].sort(),
    'no other run than the one that the click made',
  );
  t.is(ui.writes.filter((one) => one.endsWith('/reset')).length, 1, 'one request, sent by the page');
  await ui.followReset(sent.newRunId);
  await ui.page.getByText('Completed', { exact: true }).locator('visible=true').first().waitFor();
  await show(ui, `${it.name}-4-after`);
  return result;
}

test.serial(
  'the list shows route, key and place of each dead letter, found by them and as columns',
  async (t) => {
    const ui = await openUi(t);
    const { topic, taskQueue } = letters.scene;
    const ours = `(TaskQueue = "${taskQueue}" OR TaskQueue = "${taskQueue}-ktb")`;
    await ui.list(`KtbKey IN ("w", "first", "last", "q") AND ${ours}`);
    const rows = await ui.columns(['KtbRoute', 'KtbKey', 'KtbRecord', 'KtbOffset']);
    await show(ui, 'list-columns');
    const byOffset = [...rows].sort((a, b) => Number(a[3]) - Number(b[3]));
    t.deepEqual(byOffset.slice(0, 3), [
      ['workflow', 'w', `${topic}/0/0`, '0'],
      ['activity', 'first', `${topic}/0/1`, '1'],
      ['activity', 'last', `${topic}/0/2`, '2'],
    ]);
    // No route took what could not be decoded.
    t.deepEqual(
      byOffset.slice(3).map((row) => row.slice(1)),
      [['q', `${topic}/0/3`, '3']],
    );
  },
);

test.serial(
  'a failed workflow route is reset to the event that its failure names, and completes',
  async (t) => {
    const result = await resetByClicks(t, {
      name: 'workflow',
      workflowId: letters.idOf('w'),
      query: `KtbKey = "w" AND TaskQueue = "${letters.scene.taskQueue}"`,
      reason: '(replay: Reset to event',
      summary: /\/0\/0 workflow$/,
      choose: (offered, page) => {
        const event = /\(replay: Reset to event (\d+)\)/.exec(page)?.[1];
        const found = offered.find((option) => option.startsWith(`${event} - `));
        t.truthy(found, `event ${event} is offered: ${offered.join(', ')}`);
        return found!;
      },
    });
    t.is(result, 'first, handled');
    t.is(letters.stepsOf('w'), 1, 'the step that had finished did not run again');
  },
);

for (const which of ['first', 'last'] as const) {
  test.serial(
    `an activity route's dead letter is reset to the ${which} event offered, and completes`,
    async (t) => {
      const result = await resetByClicks(t, {
        name: `activity-${which}`,
        workflowId: letters.idOf(which),
        query: `KtbRoute = "activity" AND ExecutionStatus = "Failed" AND TaskQueue = "${letters.scene.taskQueue}-ktb"`,
        reason: 'the cause is not mended',
        summary: /\/0\/[12] activity$/,
        choose: (offered) => {
          const byEvent = [...offered].sort((a, b) => Number.parseInt(a) - Number.parseInt(b));
          return which === 'first' ? byEvent[0]! : byEvent.at(-1)!;
        },
      });
      t.is(result, 'handled');
    },
  );
}

test.serial('a quarantined record goes through once the decoder is mended', async (t) => {
  const result = (await resetByClicks(t, {
    name: 'quarantine',
    workflowId: await letters.quarantineOf(3),
    query: `WorkflowType = "ktbQuarantine" AND TaskQueue = "${letters.scene.taskQueue}-ktb"`,
    reason: 'the decoder is broken',
    summary: /\/0\/3 undecodable: .*the decoder is broken/,
    choose: (offered) => offered.at(-1)!,
  })) as { outcome: string; workflowId: string };
  t.like(result, { outcome: 'started', workflowId: letters.idOf('q') });
  t.is(await letters.scene.client.workflow.getHandle(result.workflowId).result(), 'handled');
});
