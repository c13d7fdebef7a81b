/**
 * A process to be killed: starts what its argument names, says on stdout what it holds, and then waits for ever.
 * `child`: a process and a folder; `stack`: a local stack on free ports.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLocalStack } from '../../bridge/local-stack/local-stack.js';
import { ManagedServer } from '../../bridge/local-stack/managed-server.js';
import { reapFolder } from '../../bridge/local-stack/reaper.js';

export interface Held {
  readonly pids: readonly number[];
  readonly folder: string;
}

async function hold(what: string | undefined): Promise<Held> {
  if (what === 'stack') {
    const stack = await startLocalStack({ ports: 'free' });
    const pids = [stack.kafka.server!.pid, stack.temporal.server!.pid];
    return { pids, folder: stack.dataDir };
  }
  const folder = mkdtempSync(join(tmpdir(), 'ktb-owner-'));
  writeFileSync(join(folder, 'data'), 'x');
  reapFolder(folder);
  // Deaf to SIGTERM, as a server that hangs.
  const script = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up');";
  const server = await ManagedServer.start({
    name: 'deaf',
    command: process.execPath,
    args: ['-e', script],
    ports: {},
    logFile: join(folder, 'log'),
    ready: async (probe) => {
      while (!(await probe.log()).includes('up')) await new Promise((resolve) => setTimeout(resolve, 20));
    },
  });
  return { pids: [server.pid], folder };
}

const held = await hold(process.argv[2]);
console.log(JSON.stringify(held));
setInterval(() => {}, 1000);
