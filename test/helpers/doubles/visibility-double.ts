import type { ExecutionStatus } from '../../../bridge/temporal/describe.js';
import type { ListedExecution } from '../../../bridge/temporal/operator-port.js';
import { TemporalFault } from '../../../bridge/temporal/temporal-port.js';

/** What visibility knows of an execution: it hears of a change later than who made it. */
export interface Seen extends ListedExecution {
  readonly searchAttributes: Readonly<Record<string, unknown>>;
}

const STATUS_NAMES: Readonly<Record<ExecutionStatus, string>> = {
  running: 'Running',
  completed: 'Completed',
  failed: 'Failed',
  canceled: 'Canceled',
  terminated: 'Terminated',
  continuedAsNew: 'ContinuedAsNew',
  timedOut: 'TimedOut',
  paused: 'Paused',
  unknown: '',
};

/** A list of executions that lags behind. It knows the queries that the bridge makes: clauses joined by AND. */
export class VisibilityDouble {
  readonly #changes: { readonly at: number; readonly seen: Seen }[] = [];

  readonly #lagMs: number;

  constructor(lagMs: number) {
    this.#lagMs = lagMs;
  }

  hear(seen: Seen): void {
    this.#changes.push({ at: Date.now() + this.#lagMs, seen });
  }

  /** Open ones first, then the newest to close, as the server has them. */
  list(query: string): readonly Seen[] {
    const accept = parse(query);
    const byRun = new Map<string, Seen>();
    for (const { at, seen } of this.#changes) if (at <= Date.now()) byRun.set(seen.runId, seen);
    const closed = ({ closedAt }: Seen) => closedAt ?? Infinity;
    return [...byRun.values()]
      .filter((seen) => accept(seen))
      .reverse()
      .sort((a, b) => (closed(a) === closed(b) ? b.startedAt - a.startedAt : closed(b) - closed(a)));
  }
}

type Accept = (seen: Seen) => boolean;

const CLAUSE = /^\s*(\w+) (?:IN \(([^)]*)\)|(=|!=|>=|<) (.*?))\s*$/;

function parse(query: string): Accept {
  const clauses = split(query).map(clauseOf);
  return (seen) => clauses.every((accept) => accept(seen));
}

/** At each AND outside of parentheses and quotes. */
function split(query: string): string[] {
  const parts = [''];
  let depth = 0;
  for (const token of query.match(/"(?:\\.|[^"\\])*"|'[^']*'|\sAND\s|[\s\S]/g) ?? []) {
    if (token === '(') depth++;
    if (token === ')') depth--;
    if (depth === 0 && token.length === 5 && token.trim() === 'AND') parts.push('');
    else parts[parts.length - 1] += token;
  }
  return parts;
}

function clauseOf(text: string): Accept {
  const inner = /^\s*\((.*)\)\s*$/s.exec(text)?.[1];
  if (inner !== undefined) return parse(inner);
  const [, field, list, operator, value] = CLAUSE.exec(text) ?? [];
  if (field === undefined) throw new TemporalFault('rejected', `invalid query: ${text}`, INVALID);
  if (list !== undefined) {
    const values = [...list.matchAll(/"((?:\\.|[^"\\])*)"/g)].map(([quoted]) => valueOf(quoted));
    return (seen) => values.includes(String(fieldOf(seen, field)));
  }
  const wanted = valueOf(value!);
  return (seen) => {
    const found = fieldOf(seen, field);
    switch (operator) {
      case '=':
        return String(found) === wanted;
      case '!=':
        return String(found) !== wanted;
      case '>=':
        return found !== undefined && Number(found) >= Date.parse(wanted);
      default:
        return found !== undefined && Number(found) < Date.parse(wanted);
    }
  };
}

const INVALID = { status: 'INVALID_ARGUMENT' };

function valueOf(quoted: string): string {
  return quoted.replace(/^["']|["']$/g, '').replace(/\\(.)/g, '$1');
}

function fieldOf(seen: Seen, field: string): unknown {
  switch (field) {
    case 'ExecutionStatus':
      return STATUS_NAMES[seen.status];
    case 'TaskQueue':
      return seen.taskQueue;
    case 'WorkflowType':
      return seen.workflowType;
    case 'WorkflowId':
      return seen.workflowId;
    case 'StartTime':
      return seen.startedAt;
    case 'CloseTime':
      return seen.closedAt;
    default:
      if (!field.startsWith('Ktb'))
        throw new TemporalFault('rejected', `invalid query: no search attribute ${field}`, INVALID);
      return seen.searchAttributes[field];
  }
}
