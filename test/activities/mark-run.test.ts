import type { EventEmitter } from 'node:events';
import test from 'ava';
import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { MarkRun, type HandlerCall } from '../../activities/index.js';
import { SILENT } from '../helpers/doubles/silent-logger.js';
import { until } from '../helpers/until.js';

const RUN = 'run-1';

function environment(info: Record<string, unknown> = {}): MockActivityEnvironment {
  return new MockActivityEnvironment(
    { workflowExecution: { workflowId: 'w', runId: RUN }, heartbeatTimeoutMs: undefined, ...info } as never,
    { logger: SILENT, interceptors: [(context) => ({ inbound: new MarkRun(context) })] },
  );
}

async function failureOf(thrown: unknown): Promise<ApplicationFailure> {
  const error: unknown = await environment()
    .run(() => Promise.reject(thrown as Error))
    .then(
      () => undefined,
      (caught: unknown) => caught,
    );
  if (!(error instanceof ApplicationFailure))
    throw new Error(`Expected an ApplicationFailure, got ${String(error)}`);
  return error;
}

test('a result passes as it is, and the handler gets a call as its last argument', async (t) => {
  const result = await environment({ attempt: 3 }).run(
    async (event: unknown, record: unknown, call?: HandlerCall) => {
      t.deepEqual([event, record], ['event', 'record']);
      t.is(call?.attempt, 3);
      t.false(call?.signal.aborted);
      return 'done';
    },
    'event',
    'record',
  );
  t.is(result, 'done');
});

test('a failure says in which run it happened, as its last detail', async (t) => {
  class PaymentRefused extends Error {
    override readonly name = 'PaymentRefused';
  }
  const failure = await failureOf(new PaymentRefused('no money'));
  t.is(failure.message, 'no money');
  t.is(failure.type, 'PaymentRefused');
  t.false(failure.nonRetryable);
  t.deepEqual(failure.details, [{ ktbRun: RUN }]);
  t.regex(failure.stack ?? '', /mark-run\.test/, "the handler's own stack");
});

test('an application failure keeps type, details, category, cause and what it says of retries', async (t) => {
  const cause = new Error('why');
  const failure = await failureOf(
    ApplicationFailure.create({
      message: 'm',
      type: 'T',
      nonRetryable: true,
      details: [1, { a: 2 }],
      nextRetryDelay: '5 s',
      category: 'BENIGN',
      cause,
    }),
  );
  t.deepEqual(failure.details, [1, { a: 2 }, { ktbRun: RUN }]);
  t.like(failure, {
    message: 'm',
    type: 'T',
    nonRetryable: true,
    nextRetryDelay: '5 s',
    category: 'BENIGN',
    cause,
  });
});

test('what is thrown and is no error becomes one', async (t) => {
  const failure = await failureOf('just text');
  t.is(failure.message, 'just text');
  t.deepEqual(failure.details, [{ ktbRun: RUN }]);
});

test('a cancellation stays one', async (t) => {
  const cancelled = new CancelledFailure('CANCELLED');
  const error = await t.throwsAsync(environment().run(() => Promise.reject(cancelled)));
  t.is(error, cancelled);
});

test('the signal fires when the call is no longer wanted', async (t) => {
  const env = environment();
  const running = env.run(async (call?: HandlerCall) => {
    await new Promise<void>((resolve) => {
      call!.signal.addEventListener('abort', () => resolve(), { once: true });
      env.cancel('CANCELLED');
    });
    return call!.signal.aborted;
  });
  t.true(await running);
});

/** What the server hears. */
function beatsOf(env: EventEmitter): unknown[] {
  const beats: unknown[] = [];
  env.on('heartbeat', (details: unknown) => beats.push(details));
  return beats;
}

test('signs of life are sent while a handler runs, and end with it', async (t) => {
  const env = environment({ heartbeatTimeoutMs: 300 });
  const beats = beatsOf(env);
  await env.run(async () => {
    await until(() => beats.length >= 3, { what: 'three signs of life', everyMs: 10 });
  });
  const before = beats.length;
  const other = environment({ heartbeatTimeoutMs: 300 });
  const later = beatsOf(other);
  await other.run(() => until(() => later.length >= 2, { what: 'two signs of another call', everyMs: 10 }));
  t.is(beats.length, before);
});

test('without a heartbeat time-out none is sent', async (t) => {
  const env = environment();
  const beats = beatsOf(env);
  const timed = environment({ heartbeatTimeoutMs: 300 });
  const others = beatsOf(timed);
  await Promise.all([
    env.run(() => until(() => others.length >= 3, { what: 'three signs of another call', everyMs: 10 })),
    timed.run(() => until(() => others.length >= 3, { what: 'three signs', everyMs: 10 })),
  ]);
  t.deepEqual(beats, []);
});

test("our signs repeat the handler's last details instead of wiping them", async (t) => {
  const env = environment({ heartbeatTimeoutMs: 300 });
  const beats = beatsOf(env);
  await env.run(async (call?: HandlerCall) => {
    call!.heartbeat({ page: 1 });
    await until(() => beats.length >= 2, { what: 'a sign of ours', everyMs: 10 });
    Context.current().heartbeat({ page: 2 }); // the SDK's own way
    const at = beats.length;
    await until(() => beats.length >= at + 2, { what: 'two signs of ours', everyMs: 10 });
  });
  t.deepEqual(beats[0], { page: 1 });
  t.deepEqual(beats[1], { page: 1 });
  t.deepEqual(beats.slice(-2), [{ page: 2 }, { page: 2 }]);
});

test('a repeated call begins with the details of the one before', async (t) => {
  const env = environment({ heartbeatTimeoutMs: 300, heartbeatDetails: { page: 7 } });
  const beats = beatsOf(env);
  await env.run(async () => {
    await until(() => beats.length >= 1, { what: 'a sign of ours', everyMs: 10 });
  });
  t.deepEqual(beats[0], { page: 7 });
});
