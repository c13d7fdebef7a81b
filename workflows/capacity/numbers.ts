import type { NumberRanges } from './contract.js';

/** A set of whole numbers that lie close together, as ascending ranges. */
export class NumberSet {
  /** Inclusive, ascending, never touching each other. */
  #ranges: [number, number][] = [];

  /** What can't be read is left out: a report can be of a newer release, or broken. */
  static from(text: NumberRanges): NumberSet {
    const set = new NumberSet();
    for (const part of text === '' ? [] : text.split(',')) {
      const match = /^(\d{1,15})(?:-(\d{1,15}))?$/.exec(part);
      if (match) set.addRange(Number(match[1]), Number(match[2] ?? match[1]));
    }
    return set;
  }

  get size(): number {
    return this.#ranges.reduce((size, [from, to]) => size + to - from + 1, 0);
  }

  get ranges(): readonly (readonly [number, number])[] {
    return this.#ranges;
  }

  has(number: number): boolean {
    return this.#ranges.some(([from, to]) => from <= number && number <= to);
  }

  add(number: number): void {
    this.addRange(number, number);
  }

  /** Both inclusive; nothing where `to` is less than `from`. */
  addRange(from: number, to: number): void {
    if (to < from) return;
    const apart: [number, number][] = [];
    let [low, high] = [from, to];
    for (const range of this.#ranges) {
      if (range[1] < low - 1 || range[0] > high + 1) apart.push(range);
      else [low, high] = [Math.min(low, range[0]), Math.max(high, range[1])];
    }
    apart.push([low, high]);
    this.#ranges = apart.sort(([a], [b]) => a - b);
  }

  addAll(other: NumberSet): void {
    for (const [from, to] of other.ranges) this.addRange(from, to);
  }

  /** Both inclusive. */
  deleteRange(from: number, to: number): void {
    this.#ranges = this.#ranges.flatMap(([low, high]): [number, number][] => [
      ...(low < from ? [[low, Math.min(high, from - 1)] as [number, number]] : []),
      ...(high > to ? [[Math.max(low, to + 1), high] as [number, number]] : []),
    ]);
  }

  delete(number: number): void {
    this.deleteRange(number, number);
  }

  /** How many of `from` to `to`, both inclusive, are in it. */
  countWithin(from: number, to: number): number {
    return this.#ranges.reduce(
      (count, [low, high]) => count + Math.max(0, Math.min(high, to) - Math.max(low, from) + 1),
      0,
    );
  }

  toString(): NumberRanges {
    return this.#ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
  }
}
