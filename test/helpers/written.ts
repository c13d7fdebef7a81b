/** The standard streams of a test. */
export interface Terminal {
  readonly stdout?: boolean;
  readonly stdin?: boolean;
  readonly stderr?: boolean;
  readonly columns?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs with standard streams as they would be, and gives what was written. Serial: there is one process. */
export async function written(terminal: Terminal, run: () => unknown): Promise<{ out: string; err: string }> {
  const streams = { out: '', err: '' };
  const undo: (() => void)[] = [];
  const set = (target: object, name: string, value: unknown) => {
    const before = Object.getOwnPropertyDescriptor(target, name);
    Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: true });
    undo.push(() =>
      before ? Object.defineProperty(target, name, before) : Reflect.deleteProperty(target, name),
    );
  };
  set(process.stdout, 'isTTY', terminal.stdout ?? false);
  set(process.stdout, 'columns', terminal.columns);
  set(process.stderr, 'isTTY', terminal.stderr ?? false);
  set(process.stdin, 'isTTY', terminal.stdin ?? false);
  set(process.stdout, 'write', (text: string) => (streams.out += text) !== '');
  set(process.stderr, 'write', (text: string) => (streams.err += text) !== '');
  for (const name of ['NO_COLOR', 'FORCE_COLOR', 'NODE_DISABLE_COLORS'])
    if (terminal.env?.[name] === undefined && process.env[name] !== undefined) {
      const before = process.env[name];
      delete process.env[name];
      undo.push(() => (process.env[name] = before));
    }
  for (const [name, value] of Object.entries(terminal.env ?? {})) {
    process.env[name] = value;
    undo.push(() => delete process.env[name]);
  }
  try {
    await run();
  } finally {
    for (const back of undo.reverse()) back();
  }
  return streams;
}
