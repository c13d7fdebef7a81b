import { randomBytes } from 'node:crypto';
import { delay } from '../../timing.js';
import { MAX_ID_BYTES, probeWorkflowId } from '../../temporal/ids.js';
import { TemporalFault } from '../../temporal/temporal-port.js';
import { once, type Check, type Checkup } from './checkup.js';
import { ok, problem, skipped, warning, type Observation } from './finding.js';

/** The highest; the default is 3. */
const PRIORITY_KEY = 1;
/** The server answers about a queue's backlog from a cache of 5 s. */
const BACKLOG_WAIT_MS = 8_000;
/** So the first look comes when the task has been written, or it would stand in that cache as none. */
const EVERY_MS = 500;

/** What one short-lived execution on a queue that nobody polls tells of the server. */
interface ProbeAnswer {
  /** Whether the ID in other letters finds the same run. */
  readonly caseBlind: boolean;
  /** What the server said to an ID of 255 bytes; undefined: it took it. */
  readonly longIdRefused: string | undefined;
  /** The priority key under which the waiting task stands; undefined: the server did not say. */
  readonly priorityKey: number | undefined;
}

const answers = new WeakMap<Checkup, () => Promise<ProbeAnswer>>();

function answerOf(checkup: Checkup): Promise<ProbeAnswer> {
  let ask = answers.get(checkup);
  if (!ask) answers.set(checkup, (ask = once(() => probe(checkup))));
  return ask();
}

async function probe(checkup: Checkup): Promise<ProbeAnswer> {
  const random = randomBytes(8).toString('hex');
  const taskQueue = `ktb-probe-${random}`;
  const start = async (workflowId: string) => {
    const runId = await checkup.temporal.startProbe({ workflowId, taskQueue, priorityKey: PRIORITY_KEY });
    return { workflowId, runId };
  };
  const short = `${probeWorkflowId(checkup.config, random)}A`;
  let longIdRefused: string | undefined;
  const long = `${short}${'A'.repeat(MAX_ID_BYTES - Buffer.byteLength(short))}`;
  const { workflowId, runId } = await start(long).catch((error: unknown) => {
    if (!(error instanceof TemporalFault)) throw error;
    longIdRefused = error.message;
    return start(short);
  });
  try {
    const other = await checkup.temporal.runOf(workflowId.slice(0, -1) + workflowId.slice(-1).toLowerCase());
    return { caseBlind: other === runId, longIdRefused, priorityKey: await priorityIn(checkup, taskQueue) };
  } finally {
    await checkup.temporal.removeProbe(workflowId, runId);
  }
}

async function priorityIn({ temporal }: Checkup, taskQueue: string): Promise<number | undefined> {
  const deadline = performance.now() + BACKLOG_WAIT_MS;
  while (performance.now() < deadline) {
    await delay(EVERY_MS);
    const { backlogByPriority } = await temporal.taskQueue(taskQueue, 'workflow');
    const waiting = [...backlogByPriority].filter(([, count]) => count > 0).map(([key]) => key);
    if (waiting.length > 0) return Math.min(...waiting);
  }
  return undefined;
}

function probing(name: Check['name'], look: (answer: ProbeAnswer) => Observation): Check {
  return {
    name,
    needs: ['temporal'],
    look: async (checkup) => [
      checkup.mayProbe
        ? look(await answerOf(checkup))
        : skipped('Not checked: it needs a probe (--no-probe)'),
    ],
  };
}

export const idCaseCheck = probing('id-case', ({ caseBlind }) =>
  caseBlind
    ? problem(
        'The server takes workflow IDs that differ in case only for one: of the keys `a` and `A` the second is lost as a duplicate, a conflict or foreign',
        "It is MySQL's default collation: give `workflow_id` one that tells case (`utf8mb4_bin`) in `executions`, `current_executions` and their like, before there are data; else make keys of one case.",
      )
    : ok('Workflow IDs that differ in case only are two'),
);

export const idLengthCheck = probing('id-length', ({ longIdRefused }) =>
  longIdRefused === undefined
    ? ok(`Workflow IDs of ${MAX_ID_BYTES} bytes are taken`)
    : problem(
        `The server refuses workflow IDs of ${MAX_ID_BYTES} bytes (${longIdRefused}): records with long keys can't be started`,
        `Raise the server's \`limit.maxIDLength\` to at least ${MAX_ID_BYTES} (its default is 1000).`,
      ),
);

export const priorityCheck = probing('priority', ({ priorityKey }) => {
  if (priorityKey === undefined)
    return skipped('Not checked: the server does not say how it keeps a waiting task');
  return priorityKey === PRIORITY_KEY
    ? ok('Task priorities are heeded')
    : warning(
        'The server ignores task priorities: `priority` orders what waits for a start, and nothing after it',
        'Turn on `matching.useNewMatcher` in the dynamic config of the server (on by default in 1.32), or do without.',
      );
});
