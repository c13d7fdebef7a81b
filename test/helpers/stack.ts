import { randomBytes } from 'node:crypto';
import { startLocalStack, type LocalStack } from '../../bridge/local-stack/local-stack.js';
import { terminalProgress } from '../../bridge/observe/progress.js';
import type { TemporalAddress } from './temporal.js';

/** The environment variable in which the runner (`test/run.ts`) names the stack that it has booted. */
export const STACK_VARIABLE = 'KTB_TEST_STACK';

/** Where the real servers are. Tests share them: see {@link unique}. To hurt a server, start one of your own. */
export interface TestStack {
  readonly kafka: { readonly brokers: readonly string[] };
  readonly temporal: TemporalAddress;
  readonly ui?: { readonly url: string };
}

let stack: Promise<TestStack> | undefined;
let own: LocalStack | undefined;

/**
 * The runner's stack; else (a test file run by `npx ava`, a script) one of this process's own, booted at the first
 * call and stopped with it: by ava at the end of the file, elsewhere by {@link stopTestStack} or at exit.
 */
export async function testStack(): Promise<TestStack> {
  stack ??= findOrBoot();
  return stack;
}

/** Stops the stack if it is this process's own. */
async function stopTestStack(): Promise<void> {
  const stopping = own;
  own = undefined;
  stack = undefined;
  await stopping?.stop();
}

/** What other processes need to know of a stack, for {@link STACK_VARIABLE}. */
export function describeStack({ kafka, temporal, ui }: TestStack): string {
  return JSON.stringify({
    kafka: { brokers: kafka.brokers },
    temporal: { address: temporal.address, namespace: temporal.namespace },
    ...(ui !== undefined && { ui: { url: ui.url } }),
  });
}

async function findOrBoot(): Promise<TestStack> {
  const described = process.env[STACK_VARIABLE];
  if (described !== undefined && described !== '') return JSON.parse(described) as TestStack;
  own = await startLocalStack({ ports: 'free', ui: false, progress: terminalProgress() });
  await stopWithTests();
  return own;
}

/** ava waits until a test process ends by itself, and servers would keep it alive. */
async function stopWithTests(): Promise<void> {
  // Imported outside of ava it ends the process.
  if (!/[\\/]ava[\\/]lib[\\/]worker[\\/]/.test(process.argv[1] ?? '')) return;
  const { registerCompletionHandler } = await import('ava');
  registerCompletionHandler(() => void stopTestStack());
}

/**
 * A name that no other test and no earlier run has: for topics, groups, task queues, subscriptions, key prefixes.
 * Letters, digits and dashes.
 */
export function unique(prefix: string): string {
  return `${prefix}-${Date.now().toString(36)}${randomBytes(4).toString('hex')}`;
}
