import { deadLetterTopicProblems } from './dead-letter-topic.js';
import { DEFAULTS } from './defaults.js';
import { expectation, fieldName, shown, type FieldPath } from './problems.js';
import { isObject } from './rules.js';

const TARGETS = ['workflow', 'activity', 'signal', 'update'] as const;
const ACTIVITY_ONLY = ['startToCloseTimeoutMs', 'scheduleToCloseTimeoutMs', 'heartbeatTimeoutMs'];
const TARGET_ONLY = ['workflowId', 'start', 'waitForWorkflowMs', 'onClosed'];

/** What is wrong between fields. It takes anything: other fields may be wrong too, and all is said at once. */
export function crossProblems(config: unknown): readonly string[] {
  if (!isObject(config)) return [];
  const routes = Array.isArray(config['routes']) ? (config['routes'] as unknown[]) : [];
  return [
    ...routes.flatMap((route, index) => (isObject(route) ? routeProblems(config, route, index) : [])),
    ...sameIds(routes),
    ...deadLetterTopicProblems(routes),
    ...quarantineProblems(config),
    ...orderProblems(config),
  ];
}

function routeProblems(config: unknown, route: Record<string, unknown>, index: number): readonly string[] {
  const path = ['routes', index];
  const problems: string[] = [];
  const targets = TARGETS.filter((name) => route[name] !== undefined);
  if (targets.length === 1) {
    problems.push(...misplaced(route, path, targets[0]!));
  } else {
    const got = targets.length === 0 ? 'none' : targets.map((name) => `\`${name}\``).join(' and ');
    problems.push(`Expected \`${fieldName(path)}\` to have exactly one of ${listOf(TARGETS)}, got ${got}`);
  }
  problems.push(...demandProblems(route['demand'], [...path, 'demand']));
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

/** Fields of one kind of route on another. */
function misplaced(
  route: Record<string, unknown>,
  path: FieldPath,
  kind: (typeof TARGETS)[number],
): readonly string[] {
  const toRunning = kind === 'signal' || kind === 'update';
  const options = isObject(route['options']) ? route['options'] : {};
  const problems: string[] = [];
  const only = (where: string, names: readonly string[], of: Record<string, unknown>, inside: FieldPath) => {
    for (const name of names.filter((one) => of[one] !== undefined)) {
      const article = kind === 'workflow' ? 'a' : 'an';
      problems.push(
        `Expected \`${fieldName([...inside, name])}\` on ${where} only, got ${kind === 'signal' ? 'a' : article} ${kind} route`,
      );
    }
  };
  if (kind !== 'activity') only('an activity route', ACTIVITY_ONLY, route, path);
  else only('a workflow route', ['taskQueue'], options, [...path, 'options']);
  if (!toRunning) {
    only('a signal or update route', TARGET_ONLY, route, path);
    return problems;
  }
  only('a workflow or activity route', ['retry', 'notBefore'], route, path);
  only('a workflow or activity route', ['searchAttributes'], options, [...path, 'options']);
  if (route['workflowId'] === undefined) {
    problems.push(
      `Expected \`${fieldName([...path, 'workflowId'])}\` to be a JSON pointer or a function, got undefined`,
    );
  }
  if (route['start'] !== undefined) return problems;
  if (route['onClosed'] === 'startNew') {
    const name = fieldName([...path, 'onClosed']);
    problems.push(`Expected \`${name}\` to be 'deadLetter' on a route without \`start\`, got "startNew"`);
  }
  if (route['options'] !== undefined) {
    const name = fieldName([...path, 'options']);
    problems.push(`Expected \`${name}\` on a route with \`start\`, got one without`);
  }
  return problems;
}

/** `a`, `b` and `c` */
function listOf(names: readonly string[]): string {
  const quoted = names.map((name) => `\`${name}\``);
  return `${quoted.slice(0, -1).join(', ')} and ${quoted.at(-1)}`;
}

/** What a route asks for, and where it asks again, must fit into what it holds. */
function demandProblems(demand: unknown, path: FieldPath): readonly string[] {
  if (!isObject(demand)) return [];
  const valueOf = (name: 'buffer' | 'step' | 'resumeBelow') => demand[name] ?? DEFAULTS.route.demand[name];
  const buffer = valueOf('buffer');
  return (['step', 'resumeBelow'] as const).flatMap((name) => {
    const value = valueOf(name);
    if (typeof value !== 'number' || typeof buffer !== 'number' || value <= buffer) return [];
    const [low, high] = [fieldName([...path, name]), fieldName([...path, 'buffer'])];
    return [`Expected \`${low}\` to be at most \`${high}\` (${buffer}), got ${shown(value)}`];
  });
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

/** Pairs of options of which the first may not be over the second. */
function orderProblems(config: Record<string, unknown>): readonly string[] {
  const { capacity: given } = config;
  const capacity = isObject(given) ? given : {};
  const notOver = (lower: 'minimum' | 'initial' | 'fastMs', upper: 'initial' | 'maximum' | 'slowMs') => {
    const low = capacity[lower] ?? DEFAULTS.capacity[lower];
    const high = capacity[upper] ?? DEFAULTS.capacity[upper];
    if (typeof low !== 'number' || typeof high !== 'number' || low <= high) return [];
    return [
      `Expected \`capacity.${lower}\` to be at most \`capacity.${upper}\` (${high}), got ${shown(low)}`,
    ];
  };
  return [...notOver('minimum', 'initial'), ...notOver('initial', 'maximum'), ...notOver('fastMs', 'slowMs')];
}
