import type { CapacitySettings } from '../../workflows/capacity/contract.js';
import type { ResolvedRoute } from '../config/resolved.js';
import type { Admission } from './admission.js';
import type { HoldScope, RouteHolds } from './route-holds.js';

const REASON = 'paused';

export interface PausesOptions {
  /** The subscription. */
  readonly name: string;
  readonly routes: readonly Pick<ResolvedRoute, 'id' | 'topic'>[];
  readonly admission: Pick<Admission, 'hold' | 'lift'>;
  readonly holds: Pick<RouteHolds, 'hold' | 'lift' | 'holdOf'>;
}

/** What operators have paused, of this subscription: it all, or some of its routes. */
export class Pauses {
  readonly #options: PausesOptions;
  #paused: readonly string[] = [];

  constructor(options: PausesOptions) {
    this.#options = options;
  }

  /** The scopes, as in the settings. */
  get paused(): readonly string[] {
    return this.#paused;
  }

  apply({ pauses }: CapacitySettings): void {
    const { name, routes, admission } = this.#options;
    const ofRoutes = routes.map((route) => ({ route, scope: `${name}/${route.id}` }));
    this.#paused = [name, ...ofRoutes.map(({ scope }) => scope)].filter((scope) =>
      Object.hasOwn(pauses, scope),
    );
    if (Object.hasOwn(pauses, name)) admission.hold(REASON);
    else admission.lift(REASON);
    for (const { route, scope } of ofRoutes) this.#applyTo(route, pauses[scope]);
  }

  #applyTo(
    route: PausesOptions['routes'][number],
    pause: CapacitySettings['pauses'][string] | undefined,
  ): void {
    const { holds } = this.#options;
    const scope: HoldScope = { topic: String(route.topic), routeId: route.id };
    if (pause !== undefined) {
      const why = pause.why === '' ? '' : `: ${pause.why}`;
      holds.hold({
        scope,
        reason: 'operator',
        message: `${pause.who} has paused route \`${route.id}\`${why}`,
        since: pause.at,
      });
      return;
    }
    // What holds it for another reason is not an operator's to lift here.
    if (holds.holdOf(scope)?.reason === 'operator') holds.lift(scope);
  }
}
