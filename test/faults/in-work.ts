/** When, and how much. */
export type Point = readonly [at: number, value: number];
/** From, until. */
export type Interval = readonly [from: number, to: number];

/** How many of the intervals are open, at each moment at which that changes. What ends when another begins ends first. */
export function inWorkOver(intervals: readonly Interval[]): Point[] {
  const changes = intervals.flatMap(([from, to]): Point[] => [
    [from, 1],
    [to, -1],
  ]);
  changes.sort(([at, by], [otherAt, otherBy]) => at - otherAt || by - otherBy);
  let open = 0;
  return changes.map(([at, by]): Point => [at, (open += by)]);
}

/** The most that were open at a time. */
export function mostInWork(intervals: readonly Interval[]): number {
  return inWorkOver(intervals).reduce((most, [, open]) => Math.max(most, open), 0);
}

/** How many fell into each second. */
export function countOver(moments: readonly number[], from: number, to: number): Point[] {
  const counts = new Map<number, number>();
  for (const at of moments) {
    const second = Math.floor((at - from) / 1000);
    counts.set(second, (counts.get(second) ?? 0) + 1);
  }
  const seconds = Math.max(0, Math.ceil((to - from) / 1000));
  return Array.from({ length: seconds }, (_, second): Point => [
    from + (second + 1) * 1000,
    counts.get(second) ?? 0,
  ]);
}
