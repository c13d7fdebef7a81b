import { availableParallelism, totalmem } from 'node:os';
import { Cgroups } from './cgroup.js';

/** How much of what it may use a process and its neighbours do use. */
export interface MachineUse {
  /** A share of the memory's limit. */
  readonly memory: number;
  /** A share of the CPU's limit, since the last look; `undefined` at the first. */
  readonly cpu: number | undefined;
}

export interface MachineUsageOptions {
  readonly cgroups?: Pick<Cgroups, 'memory' | 'cpu'>;
  /** Bytes. @default the machine's */
  readonly totalBytes?: number;
  /** @default the machine's, as far as this process may use them */
  readonly cores?: number;
  /** Monotonic ms. */
  readonly now?: () => number;
}

/**
 * Memory and CPU against the container's limits. Each of the control groups above us may be the one that is full, so the
 * fullest counts. Without a limit it is the machine's; where no control group can be read (macOS, Windows, a sandbox) it is
 * this process against the machine.
 */
export class MachineUsage {
  readonly #cgroups: Pick<Cgroups, 'memory' | 'cpu'>;
  readonly #totalBytes: number;
  readonly #cores: number;
  readonly #now: () => number;
  #last: { readonly at: number; readonly usedUs: ReadonlyMap<string, number> } | undefined;

  constructor(options: MachineUsageOptions = {}) {
    this.#cgroups = options.cgroups ?? new Cgroups();
    this.#totalBytes = options.totalBytes ?? totalmem();
    this.#cores = options.cores ?? availableParallelism();
    this.#now = options.now ?? (() => performance.now());
  }

  look(): MachineUse {
    return { memory: this.#memory(), cpu: this.#cpu() };
  }

  #memory(): number {
    const groups = this.#cgroups.memory();
    const uses =
      groups.length > 0
        ? groups
        : [{ usedBytes: process.memoryUsage.rss(), limitBytes: Number.POSITIVE_INFINITY }];
    return Math.max(
      ...uses.map(({ usedBytes, limitBytes }) => shareOf(usedBytes, Math.min(limitBytes, this.#totalBytes))),
    );
  }

  #cpu(): number | undefined {
    const groups = this.#cgroups.cpu();
    const uses = groups.length > 0 ? groups : [processTimes()];
    const at = this.#now();
    const before = this.#last;
    this.#last = { at, usedUs: new Map(uses.map(({ group, usedUs }) => [group, usedUs])) };
    if (before === undefined || at <= before.at) return undefined;
    const shares = uses.flatMap(({ group, usedUs, cores }) => {
      const since = before.usedUs.get(group);
      if (since === undefined) return [];
      return [shareOf(usedUs - since, (at - before.at) * 1000 * Math.min(cores, this.#cores))];
    });
    return shares.length === 0 ? undefined : Math.max(...shares);
  }
}

function processTimes(): { readonly group: string; readonly usedUs: number; readonly cores: number } {
  const { user, system } = process.cpuUsage();
  return { group: 'process', usedUs: user + system, cores: Number.POSITIVE_INFINITY };
}

/** A limit of 0 is full. */
function shareOf(used: number, limit: number): number {
  return limit > 0 ? Math.max(0, used / limit) : 1;
}
