import type { TestFn } from 'ava';
import type { CapacityPort } from '../../bridge/temporal/capacity-port.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import type { LeaseRequest, WorkerReport } from '../../workflows/capacity/contract.js';
import { unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';
import { LIMIT_DEFAULTS } from '../../workflows/capacity/contract.js';

/** A task queue of its own. */
export interface CapacityUnderTest {
  readonly port: CapacityPort;
  /** The workflow is terminated, as an operator would. */
  terminate(): Promise<void>;
  /** No worker answers from now on. */
  stopWorker(): Promise<void>;
}

/** What one bridge asks for. */
export function leaseRequest(fields: Partial<LeaseRequest> = {}): LeaseRequest {
  return {
    bridge: 'bridge01',
    identity: 'ktb@host:1',
    name: 'orders',
    sequence: 1,
    streams: [{ id: 'bridge01.0', classes: [], next: 0, upTo: 0, demand: 5, high: 0, returned: '' }],
    caps: {},
    options: LIMIT_DEFAULTS,
    backlog: { count: 0, polled: true },
    settings: null,
    ...fields,
  };
}

/** What one worker process tells. */
export function workerReport(fields: Partial<WorkerReport> = {}): WorkerReport {
  return {
    worker: 'worker01',
    identity: 'ktb-worker@host:2',
    sequence: 1,
    sentAt: Date.now(),
    responses: { count: 0, sumMs: 0 },
    waits: { count: 0, sumMs: 0 },
    released: {},
    running: {},
    others: 0,
    slots: { total: 100, free: 100 },
    pressure: [],
    ...fields,
  };
}

const PATIENCE_MS = 10_000;

/** What every capacity port promises: run against the real server, with a real worker, and against the double. */
export function capacityPortContract(test: TestFn, open: () => Promise<CapacityUnderTest>): void {
  test('where nobody has asked there is nothing to see; the first lease brings it into being', async (t) => {
    const { port } = await open();
    t.is(await port.view(PATIENCE_MS), undefined);
    const lease = await port.lease(leaseRequest(), PATIENCE_MS);
    t.like(lease, { sequence: 1, circuit: 'closed', bridges: 1 });
    t.true(lease.upTo['bridge01.0']! >= 5);
    t.true(lease.forMs > 0);
    t.like(await port.view(PATIENCE_MS), {
      bridges: { 0: { bridge: 'bridge01', name: 'orders', leases: true } },
    });
  });

  test('the same request again meets the first answer', async (t) => {
    const { port } = await open();
    const first = await port.lease(leaseRequest(), PATIENCE_MS);
    t.deepEqual(await port.lease(leaseRequest(), PATIENCE_MS), first);
    const [a, b] = await Promise.all(
      [2, 2].map((sequence) => port.lease(leaseRequest({ sequence }), PATIENCE_MS)),
    );
    t.deepEqual(a, b);
  });

  test('a report of a worker is heard, also before anybody has asked for a lease', async (t) => {
    const { port } = await open();
    await port.report(workerReport({ slots: { total: 7, free: 3 } }));
    const view = await until(() => port.view(PATIENCE_MS), {
      what: 'the worker to be seen',
      accept: (seen) => seen?.workers.length === 1,
    });
    t.like(view!.workers[0], { worker: 'worker01', alive: true, slots: { total: 7, free: 3 } });
    t.is((await port.lease(leaseRequest(), PATIENCE_MS)).workers, 1);
  });

  test('a pause and a limit set by hand stand in every lease, and are lifted again', async (t) => {
    const { port } = await open();
    const by = { who: 'ann', why: 'ticket 812' };
    await port.change({ ...by, action: 'pause', scope: 'orders/placed' }, PATIENCE_MS);
    const settings = await port.change({ ...by, action: 'limit', limit: 42 }, PATIENCE_MS);
    t.like(settings.pauses['orders/placed'], { value: true, ...by });
    const lease = await port.lease(leaseRequest(), PATIENCE_MS);
    t.deepEqual(lease.settings, settings);
    t.true(settings.pauses['orders/placed']!.at > 1_600_000_000_000);
    await port.change({ ...by, action: 'resume', scope: 'orders/placed' }, PATIENCE_MS);
    const after = await port.change({ ...by, action: 'limit', limit: null }, PATIENCE_MS);
    t.like(after, { limit: null, pauses: {} });
    t.true(after.version > settings.version);
  });

  test('a change that makes no sense is rejected with the reason, and changes nothing', async (t) => {
    const { port } = await open();
    for (const limit of [0, -1, 1.5]) {
      const fault = await t.throwsAsync(
        port.change({ who: 'ann', why: '', action: 'limit', limit }, PATIENCE_MS),
        { instanceOf: TemporalFault },
      );
      t.is(fault?.kind, 'rejected');
      t.regex(fault!.message, /limit/);
    }
    t.like(await port.view(PATIENCE_MS), { settings: { limit: null, pauses: {} } });
  });

  test('terminated, it is as if there were none, until the next lease: which brings along what operators have decided', async (t) => {
    const { port, terminate } = await open();
    const known = await port.change({ who: 'ann', why: '', action: 'pause', scope: 'orders' }, PATIENCE_MS);
    await port.lease(leaseRequest(), PATIENCE_MS);
    await terminate();
    t.is(await port.view(PATIENCE_MS), undefined);
    const lease = await port.lease(leaseRequest({ sequence: 2, settings: known }), PATIENCE_MS);
    t.deepEqual(lease.settings, known);
    t.deepEqual((await port.view(PATIENCE_MS))?.settings, known);
  });

  test('without a worker a lease, a change and a view end in a systemic fault, in time; a report is taken', async (t) => {
    const { port, stopWorker } = await open();
    await port.lease(leaseRequest(), PATIENCE_MS);
    await stopWorker();
    const asked = Date.now();
    for (const call of [
      () => port.lease(leaseRequest({ sequence: 2 }), 500),
      () => port.lease(leaseRequest({ sequence: 2 }), 500),
      () => port.change({ who: 'ann', why: '', action: 'pause', scope: unique('s') }, 500),
      () => port.view(500),
    ]) {
      const fault = await t.throwsAsync(call, { instanceOf: TemporalFault });
      t.is(fault?.kind, 'systemic');
    }
    t.true(Date.now() - asked < 20_000);
    await t.notThrowsAsync(port.report(workerReport()));
  });
}
