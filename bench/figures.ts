/** The least, the middle and the largest of several rounds. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Who takes CPU time. `feeder`: the bridge, or what stands in its place. */
export const PARTS = ['feeder', 'worker', 'temporal', 'kafka'] as const;
export type Part = (typeof PARTS)[number];

/** One way in one round. */
export interface Measured {
  readonly recordsPerSecond: number;
  readonly cpuMsPerRecord: Readonly<Record<Part, number>>;
  /** Signals and updates of the capacity loop, a second. */
  readonly loopMessagesPerSecond: number;
}

/** One way in all rounds. */
export interface Row {
  readonly recordsPerSecond: Spread;
  /** Of all parts together. */
  readonly cpuMsPerRecord: Spread;
  /** Medians. */
  readonly cpuMsByPart: Readonly<Record<Part, number>>;
}

export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function spread(figures: readonly number[]): Spread {
  const round = (figure: number) => Math.round(figure * 1000) / 1000;
  return {
    min: round(Math.min(...figures)),
    median: round(median(figures)),
    max: round(Math.max(...figures)),
  };
}

export function rowOf(rounds: readonly Measured[]): Row {
  const whole = ({ cpuMsPerRecord }: Measured) => PARTS.reduce((sum, part) => sum + cpuMsPerRecord[part], 0);
  const ofPart = (part: Part) => spread(rounds.map((one) => one.cpuMsPerRecord[part])).median;
  return {
    recordsPerSecond: spread(rounds.map((one) => one.recordsPerSecond)),
    cpuMsPerRecord: spread(rounds.map(whole)),
    cpuMsByPart: Object.fromEntries(PARTS.map((part) => [part, ofPart(part)])) as Record<Part, number>,
  };
}
