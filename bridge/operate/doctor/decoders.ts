import { fingerprintOf } from '../../config/fingerprint.js';
import { fingerprintIn } from '../../temporal/worker-identity.js';
import { listText, type Check, type Checkup } from './checkup.js';
import { ok, problem, skipped, warning } from './finding.js';
import { live } from './workers.js';

const SAME = 'Deploy bridge and workers from one build and one configuration.';

/**
 * Bridges write their config's fingerprint beside each commit, workers into their identity. A partition without traffic
 * keeps the commit of an older bridge, so several of a bridge's are no difference yet; our own config settles which one
 * is meant.
 */
export const decodersCheck: Check = {
  name: 'decoders',
  needs: ['temporal', 'kafka'],
  look: async (checkup) => {
    const here = fingerprintOf(checkup.config);
    const [bridges, workers] = await Promise.all([bridgePrints(checkup), workerPrints(checkup)]);
    if (bridges.size === 0 && workers.size === 0)
      return [skipped('Not checked: no bridge has committed yet, and no worker of ours polls')];
    if (workers.size > 1) {
      return [
        warning(
          `Workers have different configurations (decoders, routes, keys, filters, data converter): ${listText([...workers])}`,
          `${SAME} While a deployment is under way this passes by itself.`,
        ),
      ];
    }
    const [worker] = workers;
    const bridge = bridges.has(here)
      ? here
      : ([...bridges].find((print) => print === worker) ?? [...bridges][0]);
    if (bridge !== undefined && worker !== undefined && bridge !== worker) {
      return [
        problem(
          `Bridge (${bridge}) and worker (${worker}) differ in decoders, routes, keys, filters or data converter`,
          `${SAME} Until then a quarantined record goes through otherwise than the bridge would take it, or payloads can't be read.`,
        ),
      ];
    }
    const running = bridge ?? worker;
    if (running !== here) {
      return [
        warning(
          `What runs (${running}) has another configuration than this command (${here}): decoders, routes, keys, filters or data converter differ`,
          'Run the doctor with the configuration that is deployed, or deploy this one.',
        ),
      ];
    }
    const who =
      bridge === undefined
        ? 'Workers have'
        : worker === undefined
          ? 'Bridges have'
          : 'Bridge and workers have';
    return [
      ok(`${who} the decoders, routes, keys, filters and data converter of this configuration (${here})`),
    ];
  },
};

async function bridgePrints(checkup: Checkup): Promise<ReadonlySet<string>> {
  const marks = await checkup.marks();
  return new Set(
    marks
      .filter(({ name }) => name === checkup.config.name)
      .map(({ fingerprint }) => fingerprint)
      .filter((print) => print !== undefined),
  );
}

async function workerPrints(checkup: Checkup): Promise<ReadonlySet<string>> {
  const facts = await Promise.all(
    checkup.workerQueues.flatMap((queue) => [
      checkup.taskQueue(queue, 'workflow'),
      checkup.taskQueue(queue, 'activity'),
    ]),
  );
  const identities = facts.flatMap(({ pollers }) =>
    live(pollers, checkup.now()).map(({ identity }) => identity),
  );
  return new Set(identities.map(fingerprintIn).filter((print) => print !== undefined));
}
