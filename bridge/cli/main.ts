#!/usr/bin/env node
import { program } from './program.js';
import { report } from './command.js';

await program()
  .parseAsync(process.argv)
  .catch((error: unknown) => report(error));

// The SDK's runtime and a client's half-closed socket would keep the process; what was printed is waited for.
process.stdout.write('', () => process.stderr.write('', () => process.exit()));
