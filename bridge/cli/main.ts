#!/usr/bin/env node
import { program } from './program.js';
import { report } from './command.js';

await program()
  .parseAsync(process.argv)
  .catch((error: unknown) => report(error));
