import { DEFAULTS } from './defaults.js';
import { expectation, fieldName, shown } from './problems.js';
import { isObject } from './rules.js';

const ACTIVITY_ONLY = ['startToCloseTimeoutMs', 'scheduleToCloseTimeoutMs', 'heartbeatTimeoutMs'];

/** What is wrong between fields. It takes anything: other fields may be wrong too, and all is said at once. */
export function crossProblems(config: unknown): readonly string[] {
  if (!isObject(config)) return [];
  const routes = Array.isArray(config['routes']) ? (config['routes'] as unknown[]) : [];
  return [
    ...routes.flatMap((route, index) => (isObject(route) ? routeProblems(config, route, index) : [])),
    ...sameIds(routes),
    ...quarantineProblems(config),
  ];
}

function routeProblems(config: unknown, route: Record<string, unknown>, index: number): readonly string[] {
  const path = ['routes', index];
  const problems: string[] = [];
  const targets = ['workflow', 'activity'].filter((name) => route[name] !== undefined);
  if (targets.length !== 1) {
    const got = targets.length === 0 ? 'neither' : 'both';
    problems.push(
      `Expected \`${fieldName(path)}\` to have exactly one of \`workflow\` and \`activity\`, got ${got}`,
    );
  } else if (targets[0] === 'workflow') {
    for (const name of ACTIVITY_ONLY.filter((one) => route[one] !== undefined)) {
      problems.push(
        `Expected \`${fieldName([...path, name])}\` on an activity route only, got a workflow route`,
      );
    }
  } else if (isObject(route['options']) && route['options']['taskQueue'] !== undefined) {
    const name = fieldName([...path, 'options', 'taskQueue']);
    problems.push(`Expected \`${name}\` on a workflow route only, got an activity route`);
  }
  const { retry } = route;
  if (isObject(retry) && typeof retry['maximumIntervalMs'] === 'number') {
    const initial = retry['initialIntervalMs'] ?? DEFAULTS.retry.initialIntervalMs;
    if (typeof initial === 'number' && retry['maximumIntervalMs'] < initial) {
      const expected = `at least the initial interval (${initial})`;
      problems.push(expectation(config, [...path, 'retry', 'maximumIntervalMs'], expected));
    }
  }
  return problems;
}

function sameIds(routes: readonly unknown[]): readonly string[] {
  const firstWith = new Map<string, number>();
  const problems: string[] = [];
  routes.forEach((route, index) => {
    const id = isObject(route) ? route['id'] : undefined;
    if (typeof id !== 'string') return;
    const first = firstWith.get(id);
    if (first === undefined) firstWith.set(id, index);
    else
      problems.push(
        `Expected \`routes[${index}].id\` to be unique, got ${shown(id)}, as routes[${first}] has`,
      );
  });
  return problems;
}

function quarantineProblems(config: Record<string, unknown>): readonly string[] {
  const limit = config['quarantineLimit'];
  if (!isObject(limit)) return [];
  const { count = DEFAULTS.quarantineLimit.count, window = DEFAULTS.quarantineLimit.window } = limit;
  if (typeof count !== 'number' || typeof window !== 'number' || count < window) return [];
  // As many as the window holds can't be exceeded: the limit would never hold anything.
  return [
    `Expected \`quarantineLimit.count\` to be less than \`quarantineLimit.window\` (${window}), got ${shown(count)}`,
  ];
}
