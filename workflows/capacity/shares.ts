/**
 * Max-min fair: nobody gets more than is wanted, and what is scarce is shared alike. What does not divide goes to whoever
 * stands first, so the order decides whose turn it is.
 */
export function fairShares(capacity: number, wanted: readonly number[]): number[] {
  let left = Math.max(0, Math.floor(capacity));
  const shares = wanted.map(() => 0);
  let hungry = wanted.map((_, index) => index).filter((index) => wanted[index]! > 0);
  while (left >= hungry.length && hungry.length > 0) {
    const each = Math.floor(left / hungry.length);
    for (const index of hungry) {
      const given = Math.min(each, wanted[index]! - shares[index]!);
      shares[index]! += given;
      left -= given;
    }
    hungry = hungry.filter((index) => shares[index]! < wanted[index]!);
  }
  for (const index of hungry.slice(0, left)) shares[index]! += 1;
  return shares;
}

/** One that waits: how much, how much of it urgently, and the classes whose room it takes. */
export interface Waiting {
  readonly demand: number;
  readonly high: number;
  readonly classes: readonly string[];
}

/** Spreads `total` over those that wait, within the room of each class: first what is urgent, then the rest, alike. */
export function spread(
  total: number,
  waiting: readonly Waiting[],
  rooms: ReadonlyMap<string, number>,
): number[] {
  const given = waiting.map(() => 0);
  const left = new Map(rooms);
  let rest = total;
  const roomOf = (one: Waiting): number => Math.min(...one.classes.map((name) => left.get(name) ?? Infinity));
  for (const upTo of [(one: Waiting) => Math.min(one.high, one.demand), (one: Waiting) => one.demand]) {
    for (;;) {
      const hungry = waiting
        .map((one, index) => ({ one, index }))
        .filter(({ one, index }) => given[index]! < upTo(one) && roomOf(one) > 0);
      if (hungry.length === 0 || rest <= 0) break;
      const each = Math.max(1, Math.floor(rest / hungry.length));
      for (const { one, index } of hungry) {
        const more = Math.min(each, rest, upTo(one) - given[index]!, roomOf(one));
        given[index]! += more;
        rest -= more;
        for (const name of one.classes) if (left.has(name)) left.set(name, left.get(name)! - more);
      }
    }
  }
  return given;
}
