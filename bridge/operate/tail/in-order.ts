/** So many questions are under way at a time. */
const UNDER_WAY = 16;

/**
 * Maps side by side, and yields in the order of the source, each as soon as it and those before it are there: the source
 * may go on for ever, with nothing for hours.
 */
export async function* inOrder<T, R>(
  source: AsyncIterable<T>,
  map: (item: T) => Promise<R>,
): AsyncIterable<R> {
  const underWay: Promise<R>[] = [];
  let ended: { readonly error?: unknown } | undefined;
  let wake: () => void = () => undefined;
  const changed = (): Promise<void> => new Promise((resolve) => (wake = resolve));
  let free: () => void = () => undefined;
  let left = false;
  const read = async (): Promise<void> => {
    for await (const item of source) {
      if (left) return;
      const work = map(item);
      work.catch(() => undefined); // whoever reads this far hears of it
      underWay.push(work);
      wake();
      if (underWay.length >= UNDER_WAY) await new Promise<void>((resolve) => (free = resolve));
    }
  };
  void read()
    .then(
      () => (ended = {}),
      (error: unknown) => (ended = { error }),
    )
    .then(() => wake());
  try {
    for (;;) {
      const next = underWay[0];
      if (next) {
        yield await next;
        void underWay.shift();
        free();
      } else if (ended) {
        if ('error' in ended) throw ended.error;
        return;
      } else {
        await changed();
      }
    }
  } finally {
    left = true;
    free();
  }
}
