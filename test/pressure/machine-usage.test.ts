import { totalmem } from 'node:os';
import test from 'ava';
import type { CpuUse, MemoryUse } from '../../bridge/pressure/cgroup.js';
import { MachineUsage } from '../../bridge/pressure/machine-usage.js';

function setup() {
  const groups: { memory: MemoryUse[]; cpu: CpuUse[] } = { memory: [], cpu: [] };
  const clock = { ms: 1000 };
  const usage = new MachineUsage({
    cgroups: { memory: () => groups.memory, cpu: () => groups.cpu },
    totalBytes: 1000,
    cores: 4,
    now: () => clock.ms,
  });
  return { usage, groups, clock };
}

test('the fullest of the groups above us counts', (t) => {
  const { usage, groups } = setup();
  groups.memory = [
    { usedBytes: 100, limitBytes: 400 },
    { usedBytes: 450, limitBytes: 500 },
  ];
  t.is(usage.look().memory, 0.9);
});

test('without a limit, or with one beyond the machine, the memory of the machine is it', (t) => {
  const { usage, groups } = setup();
  groups.memory = [{ usedBytes: 100, limitBytes: Number.POSITIVE_INFINITY }];
  t.is(usage.look().memory, 0.1);
  groups.memory = [{ usedBytes: 100, limitBytes: 9_223_372_036_854_771_712 }];
  t.is(usage.look().memory, 0.1);
  groups.memory = [{ usedBytes: 100, limitBytes: 0 }];
  t.is(usage.look().memory, 1);
});

test('CPU is what was used between two looks, against what was allowed in that time', (t) => {
  const { usage, groups, clock } = setup();
  groups.cpu = [
    { group: 'own', usedUs: 0, cores: Number.POSITIVE_INFINITY },
    { group: 'above', usedUs: 5_000_000, cores: 0.5 },
  ];
  t.is(usage.look().cpu, undefined);
  clock.ms += 1000;
  groups.cpu = [
    { group: 'own', usedUs: 400_000, cores: Number.POSITIVE_INFINITY },
    { group: 'above', usedUs: 5_450_000, cores: 0.5 },
  ];
  t.is(usage.look().cpu, 0.9);
  clock.ms += 1000;
  groups.cpu = [
    { group: 'own', usedUs: 4_400_000, cores: 1000 },
    { group: 'new', usedUs: 99_999_999, cores: 0.1 },
  ];
  t.is(
    usage.look().cpu,
    1,
    'of the four cores that the machine has; a group that has just come says nothing yet',
  );
});

test('counters that go backwards, and a clock that stands, are no negative use', (t) => {
  const { usage, groups, clock } = setup();
  groups.cpu = [{ group: 'own', usedUs: 9_000_000, cores: 1 }];
  usage.look();
  t.is(usage.look().cpu, undefined);
  clock.ms += 1000;
  groups.cpu = [{ group: 'own', usedUs: 0, cores: 1 }];
  t.is(usage.look().cpu, 0);
});

test('where no group can be read it is this process against the machine', (t) => {
  const usage = new MachineUsage({ cgroups: { memory: () => [], cpu: () => [] } });
  const { memory, cpu } = usage.look();
  t.is(cpu, undefined);
  t.true(Math.abs(memory - process.memoryUsage.rss() / totalmem()) < 0.01);
  const end = performance.now() + 50;
  while (performance.now() < end);
  t.true(usage.look().cpu! > 0);
});

test('on this machine the shares are shares', (t) => {
  const usage = new MachineUsage();
  usage.look();
  const end = performance.now() + 50;
  while (performance.now() < end);
  const { memory, cpu } = usage.look();
  t.true(memory > 0 && memory <= 1, `${memory}`);
  t.true(cpu! > 0 && cpu! < 1.5, `${cpu}`);
});
