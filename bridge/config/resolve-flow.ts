import { DEFAULTS } from './defaults.js';
import { deepFreeze } from './freeze.js';
import type { ResolvedConfig, ResolvedRoute } from './resolved.js';
import type { BridgeConfig, DemandOptions, Route } from './types.js';
import { withDefaults } from './with-defaults.js';

/** How a route's records are shaped, with every default in place. */
export function shapingOf({
  rate,
  demand,
  conflate,
}: Route): Pick<ResolvedRoute, 'rate' | 'demand' | 'conflate'> {
  return {
    rate:
      rate && Object.freeze({ perSecond: rate.perSecond, burst: rate.burst ?? Math.ceil(rate.perSecond) }),
    // What conflates needs a place where records wait.
    demand:
      demand || conflate
        ? Object.freeze(withDefaults<Required<DemandOptions>>(DEFAULTS.route.demand, demand))
        : undefined,
    conflate,
  };
}

/** The whole configuration's part of flow control, frozen. */
export function flowOf(
  config: BridgeConfig,
): Pick<ResolvedConfig, 'capacity' | 'requests' | 'maxInFlightByType' | 'pressure' | 'http' | 'alerts'> {
  const { capacity, workflowTypes, pressure, http, alerts } = config;
  const { requests } = config.temporal;
  const byType = Object.entries(workflowTypes ?? {}).flatMap(([type, { maxInFlight }]) =>
    maxInFlight === undefined ? [] : [[type, maxInFlight] as const],
  );
  return deepFreeze({
    capacity: withDefaults<ResolvedConfig['capacity']>(DEFAULTS.capacity, capacity),
    requests: requests && {
      perSecond: requests.perSecond,
      reserve: requests.reserve ?? DEFAULTS.temporal.requests.reserve,
    },
    maxInFlightByType: new Map(byType),
    pressure: withDefaults<ResolvedConfig['pressure']>(DEFAULTS.pressure, pressure),
    http: http && {
      port: http.port,
      host: http.host ?? DEFAULTS.http.host,
      outageGraceMs: http.outageGraceMs ?? DEFAULTS.http.outageGraceMs,
    },
    alerts: {
      webhook: alerts?.webhook,
      headers: { ...alerts?.headers },
      groupMs: alerts?.groupMs ?? DEFAULTS.alerts.groupMs,
      maximumAttempts: alerts?.maximumAttempts ?? DEFAULTS.alerts.maximumAttempts,
    },
  });
}
