/**
 * What `test/run.ts` runs ava with: the `ava` of package.json, one phase's files, and an eye on what happens. In
 * JavaScript, since ava's own process loads it.
 *
 * `observeRunsFromConfig` is an experiment of ava 7 outside of its SemVer promise (avajs/ava, docs). If it goes, no
 * statistics are written, and the runner counts that as a failure: nothing passes silently.
 */
import { readFileSync, writeFileSync } from 'node:fs';

/** Nothing is said for so long: then what is under way is named. */
const QUIET_MS = 30_000;

const { ava: base } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const { KTB_TEST_FILES, KTB_TEST_RESULT } = process.env;

export default {
  ...base,
  files: JSON.parse(KTB_TEST_FILES),
  // CI systems' variables must not make us run a part of the tests only.
  utilizeParallelBuilds: false,
  nonSemVerExperiments: { observeRunsFromConfig: true },
  observeRun: ({ events }) => void observe(events),
};

async function observe(events) {
  const pending = new Map();
  const began = Date.now();
  let lastWord = Date.now();
  const heartbeat = setInterval(() => {
    if (Date.now() - lastWord < QUIET_MS || pending.size === 0) return;
    lastWord = Date.now();
    const titles = [...pending.values()].slice(0, 4).map((title) => `"${title}"`);
    const more = pending.size > titles.length ? ` and ${pending.size - titles.length} more` : '';
    const seconds = Math.round((Date.now() - began) / 1000);
    process.stderr.write(`  still running after ${seconds} s: ${titles.join(', ')}${more}\n`);
  }, 1000);
  // Must not keep ava's process alive.
  heartbeat.unref();
  for await (const event of events) {
    const id = `${event.testFile}\n${event.title}`;
    if (event.type === 'selected-test' && !event.skip && !event.todo) pending.set(id, event.title);
    if (event.type === 'test-passed' || event.type === 'test-failed') {
      pending.delete(id);
      lastWord = Date.now();
    }
    if (event.type === 'worker-stderr' || event.type === 'worker-stdout') lastWord = Date.now();
    if (event.type === 'worker-finished' || event.type === 'worker-failed') {
      for (const each of pending.keys()) if (each.startsWith(`${event.testFile}\n`)) pending.delete(each);
    }
    if (event.type === 'stats') {
      const { byFile, ...totals } = event.stats;
      // Synchronous: at an interrupt ava exits in the same turn.
      writeFileSync(KTB_TEST_RESULT, JSON.stringify({ ...totals, byFile: Object.fromEntries(byFile) }));
    }
  }
  clearInterval(heartbeat);
}
