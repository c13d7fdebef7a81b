import { Writable } from 'node:stream';
import test from 'ava';
import { waitFor } from '../../bridge/local-stack/wait.js';
import { terminalProgress } from '../../bridge/observe/progress.js';

class Sink extends Writable {
  text = '';
  readonly isTTY: boolean;
  readonly columns = 60;

  constructor(isTTY: boolean) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
  }

  override _write(chunk: string, _encoding: string, done: () => void): void {
    this.text += chunk;
    done();
  }
}

test('without a terminal a step is one plain line at its start and one at its end', (t) => {
  const sink = new Sink(false);
  const step = terminalProgress({ stream: sink }).step('starting Kafka');
  step.update('formatting');
  step.done('127.0.0.1:9092');
  step.fail('too late to be heard');
  t.regex(sink.text, /^starting Kafka \.\.\.\nstarting Kafka: done in 0\.\d s \(127\.0\.0\.1:9092\)\n$/);
});

test('without a terminal a long step says that it is still alive, and what it does', async (t) => {
  const sink = new Sink(false);
  const step = terminalProgress({ stream: sink, heartbeatMs: 10 }).step("building Temporal's server");
  step.update('module 12: example.com/x');
  await waitFor(() => sink.text.includes('still'), { what: 'a heartbeat', timeoutMs: 5000, intervalMs: 5 });
  step.fail('no network');
  t.regex(sink.text, /\nstill building Temporal's server, 0\.\d s: module 12: example\.com\/x\n/);
  t.regex(sink.text, /failed after 0\.\d s: no network\n$/);
  const ended = sink.text;
  await waitFor(() => true, { what: 'a turn', timeoutMs: 1 });
  t.is(sink.text, ended);
});

test('what another program wrote can neither break a line nor move the cursor', (t) => {
  const sink = new Sink(false);
  terminalProgress({ stream: sink }).step('x').fail('one\n\u001b[2Jtwo\r');
  t.is(sink.text.split('\n').length, 3);
  t.false(sink.text.includes('\u001b'));
});

test('on a terminal steps side by side have a line each, and ended ones stay', (t) => {
  const sink = new Sink(true);
  const progress = terminalProgress({ stream: sink, env: {} });
  const kafka = progress.step('starting Kafka');
  const temporal = progress.step('starting Temporal');
  kafka.done('9092');
  temporal.fail('x'.repeat(10));
  t.true(sink.text.includes('\u001b[2A'), 'two lines are redrawn');
  t.true(sink.text.includes('\u001b[32m✔'));
  t.regex(sink.text, /starting Temporal, \d\.\d s: x{10}\n$/);
});

test('NO_COLOR leaves out the colours', (t) => {
  const sink = new Sink(true);
  terminalProgress({ stream: sink, env: { NO_COLOR: '1' } })
    .step('x')
    .done();
  // eslint-disable-next-line no-control-regex
  t.notRegex(sink.text, /\u001b\[\d+m/);
});
