/** How `ktb capacity` shows what it has found, to people. */
import type { CapacitySettings, CapacityView, Decided } from '../../workflows/capacity/contract.js';
import type { CapacityLook, CapacitySilence } from '../operate/capacity.js';
import { oneLine, painted, print, printTable, timeText } from './output.js';

const CHANGES_SHOWN = 5;

/** @param name the subscription's: what is paused of it comes first */
export function showCapacity(look: CapacityLook, name: string): void {
  if (look.answers) showView(look, name);
  else showSilence(look);
}

/** One line, for a log: what changes seldom and what changes always. */
export function capacityLine(look: CapacityLook): string {
  if (!look.answers) return `${look.reason} ${look.queues.map(queueText).join('; ')}`;
  const { circuit, heldBy, workers, bridges, inFlight, responseMs, waitMs } = look;
  return [
    `limit ${look.limit} (${howText(look)})`,
    `in flight ${inFlight}`,
    `circuit ${circuit}`,
    `response ${msText(responseMs)}`,
    `wait ${msText(waitMs)}`,
    `backlog ${look.backlog ?? '-'}`,
    `workers ${workers.filter(({ alive }) => alive).length}`,
    `bridges ${bridges.filter(({ leases }) => leases).length}`,
    ...(heldBy.length === 0 ? [] : [`held by: ${heldBy.join(' ')}`]),
  ]
    .map(oneLine)
    .join(', ');
}

export function pausesText({ pauses }: CapacitySettings): readonly string[] {
  return Object.entries(pauses).map(([scope, pause]) => `${scope}, ${byText(pause)}`);
}

/** `by ann@host since 2026-11-24 06:05:24: the bank is down` */
function byText({ who, why, at }: Decided<unknown>): string {
  return `by ${who} since ${timeText(at)}${why === '' ? '' : `: ${why}`}`;
}

function showView(view: CapacityView, name: string): void {
  const circuit = painted(view.circuit, view.circuit === 'closed' ? 'green' : 'red');
  print(
    `${painted(oneLine(view.taskQueue), 'bold')}  ${view.inFlight} in flight of ${view.limit}, circuit ${circuit}`,
  );
  const rows: [string, string][] = [
    ['limit', `${view.limit}, ${howText(view)}`],
    ['response', `${msText(view.responseMs)} (mean); waiting for a worker ${msText(view.waitMs)}`],
    ['backlog', view.backlog === null ? 'not known' : `${view.backlog} tasks wait for a worker`],
    ...pausesText(view.settings).map((text): [string, string] => ['paused', text]),
    ...view.heldBy.map((text): [string, string] => ['held by', text]),
    ...Object.entries(view.caps).map(([of, cap]): [string, string] => [
      'cap',
      `${of}: ${cap.inFlight} of ${cap.limit}`,
    ]),
  ];
  for (const [what, text] of rows) print(`  ${what.padEnd(9)} ${oneLine(text)}`);
  showWorkers(view);
  showBridges(view, name);
  const changes = view.changes.slice(-CHANGES_SHOWN).toReversed();
  if (changes.length === 0) return;
  print();
  printTable(
    ['CHANGED', 'LIMIT', 'WHY'],
    changes.map(({ at, limit, why }) => [timeText(at), String(limit), why]),
  );
}

function showWorkers({ workers }: CapacityView): void {
  print();
  if (workers.length === 0) return print('No worker has reported.');
  printTable(
    ['WORKER', 'REPORTED', 'RUNNING', 'FREE', 'PRESSURE'],
    workers.map(({ identity, alive, agoMs, running, slots, pressure }) => [
      identity,
      alive ? `${secondsText(agoMs)} ago` : `gone, ${secondsText(agoMs)} ago`,
      String(running),
      `${slots.free} of ${slots.total}`,
      pressure.join(', ') || '-',
    ]),
  );
}

function showBridges({ bridges }: CapacityView, name: string): void {
  print();
  if (bridges.length === 0) return print('No bridge has asked for slots.');
  const ours = bridges.toSorted((a, b) => Number(b.name === name) - Number(a.name === name));
  printTable(
    ['BRIDGE', 'SUBSCRIPTION', 'LEASE', 'IN FLIGHT', 'WANTS'],
    ours.map(({ identity, name: of, leases, agoMs, inFlight, demand }) => [
      identity,
      of,
      leases ? `${secondsText(agoMs)} ago` : `none, asked ${secondsText(agoMs)} ago`,
      String(inFlight),
      String(demand),
    ]),
  );
}

function showSilence({ reason, queues }: CapacitySilence): void {
  print(painted(oneLine(reason), 'yellow'));
  for (const queue of queues) print(`  ${queueText(queue)}`);
  print(
    queues.every(({ pollers }) => pollers.length === 0)
      ? '  Start a worker (ktb worker): until one reports bridges start at most their minimum, and the rest waits in Kafka.'
      : '  A worker that is busy or has just begun answers soon.',
  );
}

function queueText({ taskQueue, backlog, pollers }: CapacitySilence['queues'][number]): string {
  const who = pollers.length === 0 ? 'nobody polls' : `polled by ${pollers.join(', ')}`;
  return oneLine(`${taskQueue}: ${backlog} tasks wait, ${who}`);
}

/** How the limit moves. */
function howText({ options, settings }: CapacityView): string {
  if (settings.limit) return `set ${byText(settings.limit)}`;
  if (options.limit === 'fixed') return 'fixed';
  return `${options.limit}, ${options.minimum} to ${options.maximum}`;
}

function msText(ms: number | null): string {
  return ms === null ? '-' : `${Math.round(ms)} ms`;
}

function secondsText(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}
