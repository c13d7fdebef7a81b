import type { ResolvedConfig } from './config/resolved.js';
import { loadModule } from './config/load-module.js';
import { BridgeError, messageOf } from './errors.js';
import type { Logger } from './observe/logger.js';

/** What a worker can run; `undefined` where that can't be known: a module that only loads inside of Temporal's sandbox. */
export interface WorkerNames {
  readonly workflows: ReadonlySet<string> | undefined;
  readonly activities: ReadonlySet<string> | undefined;
}

/** @throws BridgeError `KTB_WORKER` if a route names a workflow or an activity that is not there */
export function checkRouteNames(
  routes: ResolvedConfig['routes'],
  { workflows, activities }: WorkerNames,
): void {
  const problems: string[] = [];
  for (const { id, target } of routes) {
    if (target.kind === 'activity' && activities && !activities.has(target.activity.activity)) {
      problems.push(
        `Expected route \`${id}\` to name an activity, got \`${target.activity.activity}\`; there are: ${listOf(activities)}`,
      );
    }
    // A route with a task queue of its own is handled by somebody else's worker.
    if (
      target.kind === 'workflow' &&
      workflows &&
      target.options.taskQueue === undefined &&
      !workflows.has(target.workflow)
    ) {
      problems.push(
        `Expected route \`${id}\` to name a workflow, got \`${target.workflow}\`; there are: ${listOf(workflows)}`,
      );
    }
  }
  if (problems.length > 0) throw new BridgeError('KTB_WORKER', problems.join('\n'));
}

/** The names of a module of workflows. */
export async function workflowNames(
  workflowsPath: string,
  logger: Pick<Logger, 'warn'>,
): Promise<ReadonlySet<string> | undefined> {
  try {
    return functionNames(await loadModule(workflowsPath));
  } catch (error) {
    logger.warn(
      { reason: messageOf(error) },
      'the names of workflows are not checked: their module does not load here',
    );
    return undefined;
  }
}

/** The names of functions; `undefined` where Temporal hands every name to a default one. */
export function functionNames(functions: Readonly<Record<string, unknown>>): ReadonlySet<string> | undefined {
  if (typeof functions['default'] === 'function') return undefined;
  return new Set(Object.keys(functions).filter((name) => typeof functions[name] === 'function'));
}

function listOf(names: ReadonlySet<string>): string {
  return names.size === 0 ? 'none' : [...names].join(', ');
}
