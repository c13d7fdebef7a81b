/** So many questions are under way at a time: a server answers hundreds a second, and must not notice more of us. */
const UNDER_WAY = 16;

/** Maps side by side and yields in the order of the source. What `map` throws ends it. */
export async function* concurrently<T, R>(
  source: AsyncIterable<T> | Iterable<T>,
  map: (item: T) => Promise<R>,
  signal?: AbortSignal,
): AsyncIterable<R> {
  const underWay: Promise<R>[] = [];
  for await (const item of source) {
    if (signal?.aborted) return;
    const work = map(item);
    work.catch(() => undefined); // whoever reads this far hears of it
    underWay.push(work);
    if (underWay.length >= UNDER_WAY) yield await underWay.shift()!;
  }
  for (const work of underWay) {
    if (signal?.aborted) return;
    yield await work;
  }
}
