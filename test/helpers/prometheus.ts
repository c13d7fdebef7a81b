export type LabelValues = Readonly<Record<string, string | number>>;

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What /metrics answers, to be looked at. */
export class Scrape {
  readonly samples: readonly Sample[];

  constructor(text: string) {
    this.samples = text.split('\n').flatMap((line) => {
      const match = /^([\w:]+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (!match) return [];
      const [, name, labels = '', value] = match;
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, of]) => [key!, of!]);
      return [
        { name: name!, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) },
      ];
    });
  }

  /** All samples of a name whose labels are these, and maybe others. */
  of(name: string, labels: LabelValues = {}): readonly Sample[] {
    return this.samples.filter(
      (one) =>
        one.name === name &&
        Object.entries(labels).every(([key, value]) => one.labels[key] === String(value)),
    );
  }

  /** Their sum; undefined where there is none. */
  value(name: string, labels: LabelValues = {}): number | undefined {
    const found = this.of(name, labels);
    return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
  }
}

export async function scrape(url: string): Promise<Scrape> {
  const answer = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(5_000) });
  if (answer.status !== 200) throw new Error(`Expected /metrics to answer with 200, got ${answer.status}`);
  return new Scrape(await answer.text());
}
