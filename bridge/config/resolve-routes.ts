import type { ActivityRouteOptions, RetryShape } from '../../workflows/contract.js';
import { topicRead } from './dead-letter-topic.js';
import { DEFAULTS } from './defaults.js';
import { deepFreeze } from './freeze.js';
import { shapingOf } from './resolve-flow.js';
import type { ResolvedRoute, RouteTarget } from './resolved.js';
import type { BridgeConfig, RetryOptions, Route } from './types.js';

/** The routes with their IDs and every default in place, frozen. */
export function resolveRoutes(config: BridgeConfig): readonly ResolvedRoute[] {
  const ids = routeIds(config.routes);
  const routes = config.routes.map((route, index) =>
    Object.freeze<ResolvedRoute>({
      id: ids[index]!,
      topic: topicRead(route),
      eventTypes: route.eventType === undefined ? undefined : new Set(eventTypesOf(route)),
      eventTypeFrom: route.eventTypeFrom,
      decoder: route.decoder ?? config.decoder ?? DEFAULTS.decoder,
      key: route.key,
      filter: route.filter,
      notBefore: route.notBefore,
      maxAgeMs: route.maxAgeMs,
      onExpired: route.onExpired ?? DEFAULTS.route.onExpired,
      missingKey: route.missingKey ?? DEFAULTS.route.missingKey,
      onConflict: route.onConflict ?? DEFAULTS.route.onConflict,
      priority: route.priority ?? DEFAULTS.route.priority,
      fairnessKey: route.fairnessKey,
      maxInFlight: route.maxInFlight,
      ...shapingOf(route),
      deadLetterTopic: route.deadLetterTopic,
      target: targetOf(route),
    }),
  );
  return Object.freeze(routes);
}

function eventTypesOf(route: Route): readonly string[] {
  if (route.eventType === undefined) return [];
  return typeof route.eventType === 'string' ? [route.eventType] : route.eventType;
}

/**
 * A given ID as it is; else `topic` or `topic:eventType`. Where that is taken, the later route gets `-2`, `-3`: given IDs
 * first, so that no default ever takes one away.
 */
function routeIds(routes: readonly Route[]): readonly string[] {
  const taken = new Set(routes.flatMap((route) => route.id ?? []));
  return routes.map((route) => {
    if (route.id !== undefined) return route.id;
    const topic = typeof route.topic === 'string' ? route.topic : route.topic.source;
    const wanted = [topic, eventTypesOf(route).join(',')].filter((part) => part !== '').join(':');
    let id = wanted;
    for (let count = 2; taken.has(id); count++) id = `${wanted}-${count}`;
    taken.add(id);
    return id;
  });
}

function targetOf(route: Route): RouteTarget {
  const options = Object.freeze({ ...route.options });
  if (route.workflow !== undefined) {
    const workflowRetry = route.retry && retryOf(route.retry);
    return Object.freeze({ kind: 'workflow', workflow: route.workflow, retry: workflowRetry, options });
  }
  if (route.activity === undefined) {
    return Object.freeze({
      kind: route.signal === undefined ? 'update' : 'signal',
      name: route.signal ?? route.update,
      workflowId: route.workflowId,
      start: route.start,
      waitForWorkflowMs: route.waitForWorkflowMs ?? DEFAULTS.route.waitForWorkflowMs,
      onClosed: route.onClosed ?? DEFAULTS.route.onClosed,
      options,
    });
  }
  const retry = retryOf(route.retry ?? {});
  const activity: ActivityRouteOptions = {
    activity: route.activity,
    // It travels as JSON, which has no Infinity; 0 is Temporal's own word for it.
    retry: retry.maximumAttempts === Infinity ? deepFreeze({ ...retry, maximumAttempts: 0 }) : retry,
    startToCloseTimeoutMs: route.startToCloseTimeoutMs ?? DEFAULTS.route.startToCloseTimeoutMs,
    heartbeatTimeoutMs: route.heartbeatTimeoutMs ?? DEFAULTS.route.heartbeatTimeoutMs,
    ...(route.scheduleToCloseTimeoutMs === undefined
      ? {}
      : { scheduleToCloseTimeoutMs: route.scheduleToCloseTimeoutMs }),
  };
  return Object.freeze({ kind: 'activity', activity: deepFreeze(activity), options });
}

function retryOf(given: RetryOptions): RetryShape {
  const initialIntervalMs = given.initialIntervalMs ?? DEFAULTS.retry.initialIntervalMs;
  return deepFreeze({
    maximumAttempts: given.maximumAttempts ?? DEFAULTS.retry.maximumAttempts,
    initialIntervalMs,
    maximumIntervalMs:
      given.maximumIntervalMs ?? Math.max(DEFAULTS.retry.maximumIntervalMs, initialIntervalMs),
    backoffCoefficient: given.backoffCoefficient ?? DEFAULTS.retry.backoffCoefficient,
    nonRetryableErrors: [...(given.nonRetryableErrors ?? DEFAULTS.retry.nonRetryableErrors)],
  });
}
