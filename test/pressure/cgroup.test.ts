import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { Cgroups } from '../../bridge/pressure/cgroup.js';

/** A machine's `/proc` and `/sys`, as far as they are looked at. */
function tree(files: Readonly<Record<string, string>>): { readonly root: string } & Disposable {
  const root = mkdtempSync(join(tmpdir(), 'ktb-cgroup-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return { root, [Symbol.dispose]: () => rmSync(root, { recursive: true }) };
}

const MIB = 1024 * 1024;
const V2_MOUNT = '25 20 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n';

/** As in a container of its own namespace: all of it stands at the mount point. */
const V2_CONTAINER = {
  'proc/self/cgroup': '0::/\n',
  'proc/self/mountinfo': `24 20 0:21 / /proc rw - proc proc rw\n${V2_MOUNT}`,
  'sys/fs/cgroup/memory.current': `${300 * MIB}\n`,
  'sys/fs/cgroup/memory.max': `${512 * MIB}\n`,
  'sys/fs/cgroup/memory.stat': `anon 1\nfile 2\ninactive_anon 9\ninactive_file ${100 * MIB}\nactive_file 7\n`,
  'sys/fs/cgroup/cpu.max': '150000 100000\n',
  'sys/fs/cgroup/cpu.stat': 'usage_usec 123456789\nuser_usec 1\nsystem_usec 2\n',
};

test('version 2, in a container: what the kernel could give up does not count', (t) => {
  using machine = tree(V2_CONTAINER);
  const cgroups = new Cgroups(machine.root);
  t.deepEqual(cgroups.memory(), [{ usedBytes: 200 * MIB, limitBytes: 512 * MIB }]);
  t.deepEqual(cgroups.cpu(), [
    { group: join(machine.root, 'sys/fs/cgroup'), usedUs: 123_456_789, cores: 1.5 },
  ]);
});

test('version 2, nested: every group up to the root counts, and the root has no limit', (t) => {
  using machine = tree({
    'proc/self/cgroup': '0::/system.slice/app.service\n',
    'proc/self/mountinfo': V2_MOUNT,
    'sys/fs/cgroup/system.slice/app.service/memory.current': '1000\n',
    'sys/fs/cgroup/system.slice/app.service/memory.max': 'max\n',
    'sys/fs/cgroup/system.slice/app.service/cpu.max': 'max 100000\n',
    'sys/fs/cgroup/system.slice/app.service/cpu.stat': 'usage_usec 10\n',
    'sys/fs/cgroup/system.slice/memory.current': '5000\n',
    'sys/fs/cgroup/system.slice/memory.max': '8000\n',
    'sys/fs/cgroup/system.slice/cpu.max': '400000 100000\n',
    'sys/fs/cgroup/system.slice/cpu.stat': 'usage_usec 20\n',
    'sys/fs/cgroup/cpu.stat': 'usage_usec 30\n',
  });
  const cgroups = new Cgroups(machine.root);
  t.deepEqual(cgroups.memory(), [
    { usedBytes: 1000, limitBytes: Infinity },
    { usedBytes: 5000, limitBytes: 8000 },
  ]);
  t.deepEqual(
    cgroups.cpu().map(({ usedUs, cores }) => [usedUs, cores]),
    [
      [10, Infinity],
      [20, 4],
      [30, Infinity],
    ],
  );
});

test('version 1, in a container that sees the names of the host', (t) => {
  const own = '/docker/0123abc';
  using machine = tree({
    'proc/self/cgroup': `5:cpu,cpuacct:${own}\n4:memory:${own}\n1:name=systemd:${own}\n`,
    'proc/self/mountinfo':
      `30 29 0:25 ${own} /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:9 - cgroup cgroup rw,cpu,cpuacct\n` +
      `31 29 0:26 ${own} /sys/fs/cgroup/memory ro,nosuid master:10 - cgroup cgroup rw,memory\n`,
    'sys/fs/cgroup/memory/memory.usage_in_bytes': '700\n',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': '1000\n',
    'sys/fs/cgroup/memory/memory.stat': 'cache 300\ninactive_file 5\ntotal_inactive_file 100\n',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '50000\n',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    'sys/fs/cgroup/cpu,cpuacct/cpuacct.usage': '9000000\n',
  });
  const cgroups = new Cgroups(machine.root);
  t.deepEqual(cgroups.memory(), [{ usedBytes: 600, limitBytes: 1000 }]);
  t.deepEqual(
    cgroups.cpu().map(({ usedUs, cores }) => [usedUs, cores]),
    [[9000, 0.5]],
  );
});

test('version 1, nested, with controllers mounted apart and version 2 beside them without any', (t) => {
  using machine = tree({
    'proc/self/cgroup': '4:memory:/jobs/7\n2:cpuacct:/\n1:cpu:/\n0::/\n',
    'proc/self/mountinfo':
      '32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n' +
      '33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n' +
      '35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n' +
      '41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n',
    'sys/fs/cgroup/memory/jobs/7/memory.usage_in_bytes': '10\n',
    'sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes': '9223372036854771712\n',
    'sys/fs/cgroup/memory/jobs/memory.usage_in_bytes': '20\n',
    'sys/fs/cgroup/memory/jobs/memory.limit_in_bytes': '50\n',
    'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
    'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    'sys/fs/cgroup/cpuacct/cpuacct.usage': '4000\n',
  });
  const cgroups = new Cgroups(machine.root);
  t.deepEqual(
    cgroups.memory().map(({ usedBytes }) => usedBytes),
    [10, 20],
  );
  t.is(cgroups.memory()[1]?.limitBytes, 50);
  t.deepEqual(
    cgroups.cpu().map(({ usedUs, cores }) => [usedUs, cores]),
    [[4, Infinity]],
  );
});

test('a path above what may be seen is the mount point, and a name with spaces is read', (t) => {
  using machine = tree({
    ...V2_CONTAINER,
    'proc/self/cgroup': '0::/../other\n',
  });
  t.is(new Cgroups(machine.root).memory().length, 1);
  using spaced = tree({
    'proc/self/cgroup': '0::/a:b c\n',
    'proc/self/mountinfo': '25 20 0:22 / /my\\040groups rw - cgroup2 cgroup2 rw\n',
    'my groups/a:b c/memory.current': '7\n',
  });
  t.deepEqual(new Cgroups(spaced.root).memory(), [{ usedBytes: 7, limitBytes: Infinity }]);
});

test('garbage is no limit, and what cannot be read is nothing', (t) => {
  using broken = tree({
    ...V2_CONTAINER,
    'sys/fs/cgroup/memory.max': 'lots\n',
    'sys/fs/cgroup/memory.stat': '\u0000\u0001inactive_file\ninactive_file x\n',
    'sys/fs/cgroup/cpu.max': '-5 0\n',
  });
  t.deepEqual(new Cgroups(broken.root).memory(), [{ usedBytes: 300 * MIB, limitBytes: Infinity }]);
  t.is(new Cgroups(broken.root).cpu()[0]?.cores, Infinity);
  const files: readonly Readonly<Record<string, string>>[] = [
    {},
    { 'proc/self/cgroup': '0::/\n' },
    { 'proc/self/cgroup': 'nonsense\n::::\n4:memory\n', 'proc/self/mountinfo': ' - \n1 2 3\n - cgroup2\n' },
    { ...V2_CONTAINER, 'sys/fs/cgroup/memory.current': 'many', 'sys/fs/cgroup/cpu.stat': 'usage_usec' },
  ];
  for (const some of files) {
    using machine = tree(some);
    const cgroups = new Cgroups(machine.root);
    t.deepEqual([...cgroups.memory(), ...cgroups.cpu()], []);
  }
});

test('a limit that is changed while we run is seen', (t) => {
  using machine = tree(V2_CONTAINER);
  const cgroups = new Cgroups(machine.root);
  writeFileSync(join(machine.root, 'sys/fs/cgroup/memory.max'), '1000');
  writeFileSync(join(machine.root, 'sys/fs/cgroup/cpu.max'), 'max 100000');
  t.is(cgroups.memory()[0]?.limitBytes, 1000);
  t.is(cgroups.cpu()[0]?.cores, Infinity);
});

test('on this machine: nothing throws, and what is read makes sense', (t) => {
  const cgroups = new Cgroups();
  for (const { usedBytes, limitBytes } of cgroups.memory()) {
    t.true(usedBytes >= 0 && limitBytes > 0);
  }
  const [before] = cgroups.cpu();
  if (before === undefined) return t.pass('no control group is visible here');
  const end = performance.now() + 50;
  while (performance.now() < end);
  const after = cgroups.cpu().find(({ group }) => group === before.group)!;
  t.true(after.usedUs - before.usedUs > 20_000, `${after.usedUs - before.usedUs} µs`);
  t.true(after.cores > 0);
});
