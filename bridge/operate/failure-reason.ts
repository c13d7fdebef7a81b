/** Why an execution failed, from the error that Temporal's client makes of it. */
export interface FailureReason {
  /** The handler's own words, without the hint. */
  readonly message: string;
  /** The error's type: a class's name, or the type of an ApplicationFailure. */
  readonly type: string;
  /** The event that the failure names, to reset to. */
  readonly resetEvent: number | undefined;
}

const HINT = /\s*\(replay: Reset to event (\d+)\)/;
/** Their messages say only that something inside of them failed. */
const WRAPPERS = new Set(['ActivityFailure', 'ChildWorkflowFailure']);

export function reasonOfFailure(error: Error): FailureReason {
  let resetEvent: number | undefined;
  let innermost = error;
  for (let current: unknown = error; current instanceof Error; current = current.cause) {
    const hint = HINT.exec(current.message)?.[1];
    if (hint !== undefined) resetEvent ??= Number(hint);
    innermost = current;
    if (!WRAPPERS.has(current.name)) break;
  }
  const { type } = innermost as { readonly type?: unknown };
  return {
    message: innermost.message.replace(HINT, '') || innermost.name,
    type: typeof type === 'string' && type !== '' ? type : innermost.name,
    resetEvent,
  };
}

/** The same reason for different records, as one: IDs, numbers and what stands in quotes are left out. */
export function groupOfReason({ message, type }: Pick<FailureReason, 'message' | 'type'>): string {
  const text = message
    .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, '…')
    .replace(/(["'`])(?:(?!\1).){1,200}\1/g, '$1…$1')
    .replace(/\b\w*\d\w*\b/g, '…');
  return `${type}: ${text}`;
}
