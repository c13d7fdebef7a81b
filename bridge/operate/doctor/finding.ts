/** What the doctor looks at, in the order in which it tells of it. docs/doctor.md has a row for each. */
export const CHECKS = [
  'temporal',
  'server',
  'search-attributes',
  'workers',
  'backlog',
  'id-case',
  'id-length',
  'priority',
  'kafka',
  'topics',
  'group',
  'subscription',
  'offsets',
  'lag',
  'retention',
  'id-prefix',
  'decoders',
] as const;

export type CheckName = (typeof CHECKS)[number];

/**
 * - `ok`: looked at, and well.
 * - `warning`: it works, but not as it should, or not for long.
 * - `problem`: something does not work.
 * - `skipped`: not looked at, since something that it needs is missing; what that is has a finding of its own.
 */
export type FindingLevel = 'ok' | 'warning' | 'problem' | 'skipped';

/** One thing that a check has found. */
export interface Finding {
  readonly check: CheckName;
  readonly level: FindingLevel;
  readonly message: string;
  /** What to do; null where there is nothing to do. */
  readonly advice: string | null;
}

/** A finding whose check is the one that returns it. */
export type Observation = Omit<Finding, 'check'>;

export const ok = (message: string): Observation => ({ level: 'ok', message, advice: null });
export const warning = (message: string, advice: string): Observation => ({
  level: 'warning',
  message,
  advice,
});
export const problem = (message: string, advice: string): Observation => ({
  level: 'problem',
  message,
  advice,
});
export const skipped = (message: string): Observation => ({ level: 'skipped', message, advice: null });

/** Whether somebody has something to do. */
export function isTrouble({ level }: Pick<Finding, 'level'>): boolean {
  return level === 'warning' || level === 'problem';
}
