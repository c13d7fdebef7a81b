import type { ResolvedRoute } from '../config/resolved.js';
import type { DeliverableRecord } from '../intake/mapped-record.js';
import { Demand } from './demand.js';
import { RouteStage, type StageParts } from './route-stage.js';

/** The stages of all routes that hold records between mapping and admission: those with `demand` or `conflate`. */
export class Shaping {
  readonly #demands: ReadonlyMap<string, Demand>;
  /** Whether a route conflates: commits then say how far starts may reach. */
  readonly conflates: boolean;

  constructor(routes: readonly ResolvedRoute[]) {
    this.#demands = new Map(
      routes.flatMap(({ id, demand }) => (demand === undefined ? [] : [[id, new Demand(demand)] as const])),
    );
    this.conflates = routes.some(({ conflate }) => conflate !== undefined);
  }

  /** What all partitions together hold of a route; undefined where it has no stage. */
  heldOf(routeId: string): number | undefined {
    return this.#demands.get(routeId)?.held;
  }

  ofLane(parts: StageParts): LaneShaping {
    return new LaneShaping(this.#demands, parts);
  }
}

/** The stages of one partition. */
export class LaneShaping {
  readonly #demands: ReadonlyMap<string, Demand>;
  readonly #parts: StageParts;
  readonly #stages = new Map<string, RouteStage>();
  #inherited = { position: 0n, reach: 0n };
  #committed = { position: 0n, reach: 0n };

  constructor(demands: ReadonlyMap<string, Demand>, parts: StageParts) {
    this.#demands = demands;
    this.#parts = parts;
  }

  /** Undefined where the record's route holds nothing. */
  stageOf({ route }: DeliverableRecord): RouteStage | undefined {
    const demand = this.#demands.get(route.id);
    if (demand === undefined) return undefined;
    let stage = this.#stages.get(route.id);
    if (stage === undefined) {
      this.#stages.set(route.id, (stage = new RouteStage(route, demand, this.#parts)));
      stage.placed(this.#inherited.position, this.#inherited.reach);
      stage.committed(this.#committed.position, this.#committed.reach);
    }
    return stage;
  }

  /** What a stage waits for, if its route is held. */
  get blockedBy(): string | undefined {
    for (const { blockedBy } of this.#stages.values()) if (blockedBy !== undefined) return blockedBy;
    return undefined;
  }

  /** Where the group stands, and how far owners before us may have started; before the first record comes. */
  placed(position: bigint, reach: bigint): void {
    this.#inherited = this.#committed = { position, reach };
  }

  committed(position: bigint, reach: bigint): void {
    this.#committed = { position, reach };
    for (const stage of this.#stages.values()) stage.committed(position, reach);
  }

  /** Whether something waits for a commit that reaches farther, though its position may stay. */
  get wantsCommit(): boolean {
    return [...this.#stages.values()].some((stage) => stage.wantsCommit);
  }

  /**
   * A commit of this position is about to be made. @returns how far it must reach: below that, starts may be under way
   * when another owner comes
   */
  settleOn(position: bigint): bigint {
    let { reach } = this.#committed;
    for (const stage of this.#stages.values()) {
      const wanted = stage.settleOn(position);
      if (wanted > reach) reach = wanted;
    }
    return reach;
  }

  get isEmpty(): boolean {
    return [...this.#stages.values()].every((stage) => stage.isEmpty);
  }

  /** Resolves when everything that is held is with the delivery. */
  async emptied(): Promise<void> {
    await Promise.all([...this.#stages.values()].map((stage) => stage.emptied()));
  }
}
