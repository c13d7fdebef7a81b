/**
 * Our own workflows: they run on `<taskQueue>-ktb`, from a bundle that the package ships. They outlive releases, so
 * they change only behind `patched()`; recorded histories are replayed by test/workflows/histories.test.ts.
 */
export { ktbActivityRoute } from './activity-route.js';
export { ktbCapacity } from './capacity.js';
export { ktbQuarantine } from './quarantine.js';
export { ktbTargetRoute } from './target-route.js';
