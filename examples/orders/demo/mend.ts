/** What operators do about it: mend the causes, send everything through again with `ktb`, and see how each ended. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BridgeClient, RecordStatus } from '../../../bridge/index.js';
import type { OrderPlaced } from '../events.js';
import { mendTroubles } from '../outside-world.js';
import { env, print } from './environment.js';
import { ktb } from './ktb.js';

const DEADLINE_MS = 60_000;

interface Ending {
  readonly key: string;
  /** What it was before. */
  readonly was: string;
  readonly expected: 'completed' | 'dropped';
}

const ENDINGS: readonly Ending[] = [
  { key: 'order-unicorn', was: 'failed', expected: 'completed' },
  { key: 'payment-stolen', was: 'failed', expected: 'completed' },
  { key: 'order-broken', was: 'undecodable', expected: 'completed' },
  { key: 'order-1-sofa', was: 'a conflict', expected: 'completed' },
  { key: 'order-0-forgotten', was: 'without a route', expected: 'dropped' },
];

/** @returns what did not end as it should */
export async function mend(client: BridgeClient, begun: Date): Promise<readonly string[]> {
  const folder = env('KTB_LOG_DIR');
  mendTroubles(folder);
  const corrected = join(folder, 'order-broken.json');
  const order: OrderPlaced = { orderId: 'order-broken', article: 'chair', quantity: 1 };
  writeFileSync(corrected, JSON.stringify(order));

  const commands: readonly (readonly string[])[] = [
    ['replay', '--since', begun.toISOString(), '--why', 'the causes are mended', '--yes', '--wait'],
    resolve('order-broken', 'the producer had cut it off', '--value', corrected),
    resolve('order-1', 'it is an order of its own', '--start-as', 'order-1-sofa'),
    resolve('order-0-forgotten', 'nobody needs it', '--drop'),
  ];
  const wrong: string[] = [];
  for (const args of commands) {
    const code = await ktb(...args);
    if (code !== 0) wrong.push(`Expected \`ktb ${args.slice(0, 3).join(' ')}\` to end with 0, got ${code}`);
  }
  return [...wrong, ...(await showEndings(client)), ...(await left(client, begun))];
}

function resolve(record: string, why: string, ...how: readonly string[]): readonly string[] {
  return ['quarantine', 'resolve', record, ...how, '--why', why, '--yes'];
}

async function showEndings(client: BridgeClient): Promise<readonly string[]> {
  const wrong: string[] = [];
  const deadline = Date.now() + DEADLINE_MS;
  print();
  for (const { key, was, expected } of ENDINGS) {
    const { state, detail } = await endOf(client, key, expected, deadline);
    if (state !== expected) wrong.push(`Expected ${key} to be ${expected}, got ${state}`);
    const mark = state === expected ? '' : `EXPECTED ${expected}   `;
    print(`${key.padEnd(18)} ${was.padEnd(16)} ${state.padEnd(10)} ${mark}${detail}`);
  }
  return wrong;
}

interface End {
  readonly state: string;
  readonly detail: string;
}

/** Waits for it: what a decision about a record in quarantine starts goes on in the worker. */
async function endOf(client: BridgeClient, key: string, expected: string, deadline: number): Promise<End> {
  for (;;) {
    const end = endIn(await client.status(key));
    if (end.state === expected || Date.now() > deadline) return end;
    await new Promise((next) => setTimeout(next, 200));
  }
}

function endIn(status: RecordStatus): End {
  // The quarantine workflow that a record has come from is found by the same key.
  const handled = [status, ...status.others].find(({ workflowType }) => workflowType !== 'ktbQuarantine');
  const { state, result, reason } = handled ?? status;
  const dropped = (result as { readonly outcome?: string } | undefined)?.outcome === 'dropped';
  if (dropped) return { state: 'dropped', detail: 'nothing was started' };
  return { state, detail: typeof result === 'string' ? result : (reason ?? '') };
}

/** Nothing else may wait for anybody. */
async function left(client: BridgeClient, begun: Date): Promise<readonly string[]> {
  const since = begun.getTime();
  const still: string[] = [];
  for await (const { workflowId } of client.failed({ since })) still.push(workflowId);
  for await (const { workflowId } of client.quarantine.list({ since })) still.push(workflowId);
  print(
    `${'left'.padEnd(18)} ${still.length === 0 ? 'no dead letter, nothing in quarantine' : still.join(', ')}`,
  );
  return still.map((workflowId) => `Expected nothing to be left, got ${workflowId}`);
}
