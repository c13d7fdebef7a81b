import { isCap, isSettings, isText } from './checks.js';
import type { CapacitySettings, Decided, SettingsChange } from './contract.js';

const MOST_PAUSES = 500;

export const NO_SETTINGS: CapacitySettings = { version: 0, limit: null, pauses: {} };

/** The higher version wins: what a bridge knows sets right a workflow that was terminated and began anew. */
export function newer(ours: CapacitySettings, theirs: unknown): CapacitySettings {
  return isSettings(theirs) && theirs.version > ours.version ? theirs : ours;
}

/** @throws Error where the change makes no sense */
export function changed(settings: CapacitySettings, change: SettingsChange, nowMs: number): CapacitySettings {
  expect(typeof change === 'object' && change !== null, 'change', 'an object', change);
  const { who, why, action } = change;
  expect(isText(who, 300) && who !== '', 'who', 'a name', who);
  expect(isText(why, 1_000), 'why', 'a reason of at most 1,000 characters', why);
  const version = settings.version + 1;
  const decided = <T>(value: T): Decided<T> => ({ value, who, why, at: nowMs });
  if (action === 'limit') {
    const { limit } = change;
    expect(limit === null || isCap(limit), 'limit', 'a whole number of 1 to 100000, or null', limit);
    return { ...settings, version, limit: limit === null ? null : decided(limit) };
  }
  expect(action === 'pause' || action === 'resume', 'action', "'pause', 'resume' or 'limit'", action);
  const { scope } = change;
  expect(isText(scope, 300) && scope !== '', 'scope', 'a subscription, or <subscription>/<route id>', scope);
  const pauses = new Map(Object.entries(settings.pauses));
  if (action === 'resume') {
    if (!pauses.delete(scope)) return settings;
  } else {
    expect(pauses.has(scope) || pauses.size < MOST_PAUSES, 'scope', 'one of at most 500 pauses', scope);
    pauses.set(scope, decided(true as const));
  }
  return { ...settings, version, pauses: Object.fromEntries(pauses) };
}

function expect(good: boolean, name: string, what: string, got: unknown): void {
  if (!good) throw new Error(`Expected \`${name}\` to be ${what}, got ${JSON.stringify(got)}`);
}

/** The pauses that concern a subscription; of all where none is named. */
export function pausesOf(settings: CapacitySettings, name?: string): [string, Decided<true>][] {
  return Object.entries(settings.pauses).filter(
    ([scope]) => name === undefined || scope === name || scope.startsWith(`${name}/`),
  );
}
