/** `npm run demo`: the orders example on `ktb dev`. Flags go on to the scenario, which runs inside of it. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ktbCommand, tsx } from './demo/ktb.js';

const scenario = fileURLToPath(new URL('./scenario.ts', import.meta.url));

const quoted = [process.execPath, ...tsx, scenario, ...process.argv.slice(2)]
  .map((part) => JSON.stringify(part))
  .join(' ');
const child = spawn(process.execPath, ktbCommand(['dev', '--exec', quoted]), { stdio: 'inherit' });
// Ctrl-C reaches the child by itself; a SIGTERM reaches only us. Either way it ends in order, and we with it.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.once('exit', (code) => process.exit(code ?? 1));
