import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/** Memory of one control group. */
export interface MemoryUse {
  /** Less what the kernel would give up first: files that nobody has open. */
  readonly usedBytes: number;
  /** `Infinity` without a limit. */
  readonly limitBytes: number;
}

/** CPU of one control group. */
export interface CpuUse {
  /** Which group, so that two readings can be compared. */
  readonly group: string;
  /** Since the group was made. */
  readonly usedUs: number;
  /** How many CPUs' time it may use; `Infinity` without a limit. */
  readonly cores: number;
}

/** Where a controller's files are, of the process's own group and of every one above it. */
interface Hierarchy {
  readonly version: 1 | 2;
  /** The own group first. */
  readonly folders: readonly string[];
}

interface Mount {
  readonly type: string;
  /** Which part of the hierarchy is mounted there. */
  readonly root: string;
  readonly point: string;
  readonly options: readonly string[];
}

/**
 * The control groups that this process is in: what a container may use, and does. Versions 1 and 2, and machines that have
 * both. A limit holds for everything below the group that has it, so all groups up to the root count, as far as they are
 * visible: in a container the root is mostly the container's own group.
 */
export class Cgroups {
  readonly #memory: Hierarchy | undefined;
  readonly #cpu: Hierarchy | undefined;
  /** Version 1 may have it in a hierarchy of its own. */
  readonly #cpuTime: Hierarchy | undefined;

  /** @param root where `/proc` and `/sys` are, for tests */
  constructor(root = '/') {
    const groups = groupsIn(read(join(root, 'proc/self/cgroup')));
    const mounts = mountsIn(read(join(root, 'proc/self/mountinfo')));
    const of = (controller: string) => hierarchyOf(controller, groups, mounts, root);
    this.#memory = of('memory');
    this.#cpu = of('cpu');
    this.#cpuTime = this.#cpu?.version === 1 ? of('cpuacct') : this.#cpu;
  }

  /** The own group first; none where nothing can be read. */
  memory(): readonly MemoryUse[] {
    if (!this.#memory) return [];
    const { version, folders } = this.#memory;
    const [used, limit, inactive] =
      version === 2
        ? ['memory.current', 'memory.max', 'inactive_file']
        : ['memory.usage_in_bytes', 'memory.limit_in_bytes', 'total_inactive_file'];
    return folders.flatMap((folder) => {
      const bytes = numberIn(read(join(folder, used)));
      if (bytes === undefined) return []; // version 2 has no such file at the root
      const given = fieldIn(read(join(folder, 'memory.stat')), inactive) ?? 0;
      return [
        {
          usedBytes: Math.max(0, bytes - given),
          limitBytes: numberIn(read(join(folder, limit))) ?? Number.POSITIVE_INFINITY,
        },
      ];
    });
  }

  /** The own group first; none where nothing can be read. */
  cpu(): readonly CpuUse[] {
    const times = this.#cpuTime;
    if (!times || !this.#cpu) return [];
    const limits = this.#cpu.folders;
    return times.folders.flatMap((folder, index) => {
      const usedUs =
        times.version === 2
          ? fieldIn(read(join(folder, 'cpu.stat')), 'usage_usec')
          : perMille(numberIn(read(join(folder, 'cpuacct.usage'))));
      // Where the two hierarchies of version 1 differ, a limit says nothing of these times.
      const limit = limits.length === times.folders.length ? limits[index]! : undefined;
      const cores = limit === undefined ? Number.POSITIVE_INFINITY : coresIn(limit, times.version);
      return usedUs === undefined ? [] : [{ group: folder, usedUs, cores }];
    });
  }
}

/** By controller its path; version 2 stands under the empty name. */
function groupsIn(text: string): ReadonlyMap<string, string> {
  const groups = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    for (const controller of match ? match[1]!.split(',') : []) groups.set(controller, match![2]!);
  }
  return groups;
}

function mountsIn(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before, after] = line.split(' - ');
    const [, , , root, point] = before!.split(' ');
    const [type, , options] = after?.split(' ') ?? [];
    if (root === undefined || point === undefined || !type?.startsWith('cgroup')) return [];
    return [{ type, root: unescaped(root), point: unescaped(point), options: options?.split(',') ?? [] }];
  });
}

/** Version 1 where it has the controller: on a machine with both, version 2 has only what is left. */
function hierarchyOf(
  controller: string,
  groups: ReadonlyMap<string, string>,
  mounts: readonly Mount[],
  root: string,
): Hierarchy | undefined {
  const first = groups.get(controller);
  const version = first === undefined ? 2 : 1;
  const path = first ?? groups.get('');
  const mount = mounts.find(({ type, options }) =>
    version === 1 ? type === 'cgroup' && options.includes(controller) : type === 'cgroup2',
  );
  if (path === undefined || mount === undefined) return undefined;
  // Of a container that sees the host's names its own part alone is mounted; one above what we may see begins with `/..`.
  const below = posix.relative(mount.root, path);
  const parts = below === '' || below.startsWith('..') ? [] : below.split('/');
  const folders = parts.map((_, index) => join(root, mount.point, ...parts.slice(0, parts.length - index)));
  return { version, folders: [...folders, join(root, mount.point)] };
}

function coresIn(folder: string, version: 1 | 2): number {
  const [quota, period] =
    version === 2
      ? read(join(folder, 'cpu.max')).trim().split(' ')
      : [read(join(folder, 'cpu.cfs_quota_us')), read(join(folder, 'cpu.cfs_period_us'))];
  const [allowed, of] = [numberIn(quota), numberIn(period)];
  return allowed === undefined || !of || allowed === 0 ? Number.POSITIVE_INFINITY : allowed / of;
}

/** Undefined for what is no whole number: `max`, and `-1` of version 1, which means the same. */
function numberIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\s*\d+\s*$/.test(text) ? Number(text) : undefined;
}

function fieldIn(text: string, name: string): number | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return numberIn(line?.slice(name.length));
}

function perMille(nanoseconds: number | undefined): number | undefined {
  return nanoseconds === undefined ? undefined : nanoseconds / 1000;
}

/** The kernel writes space, tab, newline and backslash as octal numbers. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Empty where there is no such file. These are no files on a disk: reading one takes microseconds. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
