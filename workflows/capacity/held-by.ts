import type { CapacitySettings, CircuitName, Decided } from './contract.js';
import { pausesOf } from './settings.js';

export interface Holding {
  readonly limit: number;
  readonly inFlight: number;
  readonly inWork: number;
  readonly circuit: CircuitName;
  readonly workers: number;
  readonly caps: readonly { readonly name: string; readonly cap: number; readonly inFlight: number }[];
  readonly settings: CapacitySettings;
}

/** What holds admission back, in words for a person: for one subscription, or for all. */
export function heldBy(now: Holding, subscription?: string): string[] {
  const { limit, inFlight, settings } = now;
  const held = pausesOf(settings, subscription).map(([scope, one]) => `${scope} is paused by ${by(one)}.`);
  if (now.circuit === 'open') {
    held.push(
      `The circuit is open: ${now.inWork} in work at a limit of ${limit}. Only high priority passes.`,
    );
  }
  if (now.workers === 0) held.push(`No worker reports: at most ${limit} until one does.`);
  if (inFlight >= limit) {
    const set = settings.limit ? `, set by ${by(settings.limit)}` : '';
    held.push(`${inFlight} in work at a limit of ${limit}${set}.`);
  }
  for (const { name, cap, inFlight: inClass } of now.caps) {
    if (inClass >= cap) held.push(`${name}: ${inClass} in work, at most ${cap}.`);
  }
  return held;
}

function by({ who, why }: Decided<unknown>): string {
  return why === '' ? who : `${who} (${why})`;
}
