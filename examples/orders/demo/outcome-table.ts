/** What became of the events, each number beside what was produced. */
import type { DemoRecord, Expected } from '../orders.js';
import { print } from './environment.js';
import type { Seen } from './settle.js';

const MEANING: Readonly<Record<string, string>> = {
  produced: 'events in the topics, each with one outcome',
  unique: 'different keys among them that could be read',
  started: 'keys that a workflow was started for',
  duplicate: 'same key, same value: nothing was started',
  completed: 'workflows that ended well',
  failed: 'workflows that failed for good: the dead letters',
  quarantined: 'events that no workflow could be started for, each kept in one of its own',
  conflicts: 'of these, the same key with another value',
};

/** @returns what is not as it should be */
export function showOutcomes(records: readonly DemoRecord[], seen: Seen): readonly string[] {
  const wrong: string[] = [];
  print();
  for (const [name, [count, wanted]] of Object.entries(rowsOf(records, seen))) {
    if (count !== wanted) wrong.push(`Expected ${wanted} ${name}, got ${count}`);
    const mark = count === wanted ? '' : `EXPECTED ${wanted}   `;
    print(`${name.padEnd(12)} ${String(count).padStart(6)}   ${mark}${MEANING[name]}`);
  }
  return wrong;
}

function rowsOf(
  records: readonly DemoRecord[],
  seen: Seen,
): Readonly<Record<string, readonly [count: number, wanted: number]>> {
  const expected = (kind: Expected) => records.filter((record) => record.expected === kind).length;
  const unique = new Set(records.map((record) => record.headers['idempotency-key'])).size;
  const outcome = (name: string) => seen.outcomes[name] ?? 0;
  return {
    produced: [Object.values(seen.outcomes).reduce((sum, count) => sum + count, 0), records.length],
    // A quarantined record has a key as well, which nothing was started for.
    unique: [outcome('started') + outcome('quarantined'), unique],
    started: [outcome('started'), expected('completed') + expected('failed')],
    duplicate: [outcome('duplicate'), expected('duplicate')],
    completed: [seen.completed, expected('completed')],
    failed: [seen.failed, expected('failed')],
    quarantined: [seen.quarantined, expected('quarantined') + expected('conflict')],
    conflicts: [outcome('conflict'), expected('conflict')],
  };
}
