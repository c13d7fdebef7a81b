import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { installKafka } from '../../bridge/local-stack/kafka-install.js';
import { freePort } from '../../bridge/local-stack/ports.js';
import { resolveTemporal } from '../../bridge/local-stack/temporal-resolve.js';
import { startTemporalServer } from '../../bridge/local-stack/temporal-server.js';

function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ktb-missing-test-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function program(folder: string, name: string, script: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** A cache that remembers a failed download: these tests ask nothing of the network. */
function cacheWithoutDownload(t: ExecutionContext): string {
  const cache = temporaryFolder(t);
  const require = createRequire(import.meta.url);
  const { version } = require('@temporalio/testing/package.json') as { version: string };
  const failure = { at: new Date().toISOString(), why: 'swallowed by the firewall' };
  writeFileSync(join(cache, `temporal-cli-sdk-${version}.failed.json`), JSON.stringify(failure));
  return cache;
}

test('without Java there is one error, which lists the ways to get Kafka', async (t) => {
  const cache = temporaryFolder(t);
  const error = await t.throwsAsync(installKafka({ cache, env: { PATH: '/nowhere' } }));
  t.like(error, { code: 'KTB_LOCAL_STACK' });
  t.regex(
    error.message,
    /`kafka\.brokers`[^]*Java 17 or newer[^]*Maven[^]*JAVA_HOME: no java; PATH: no java/,
  );
});

test('a Java that is too old is not taken, and its version is said', async (t) => {
  const cache = temporaryFolder(t);
  program(cache, 'java', `echo 'openjdk version "1.8.0_402"' >&2`);
  const error = await t.throwsAsync(installKafka({ cache, env: { PATH: cache } }));
  t.regex(error.message, /java is version 8\b/);
});

test('without any Temporal there is one error, which lists the ways and why each failed', async (t) => {
  const cache = cacheWithoutDownload(t);
  const error = await t.throwsAsync(
    resolveTemporal({ cache, env: { PATH: '/nowhere', TEMPORAL_CLI_PATH: '/nowhere/temporal' } }),
  );
  t.like(error, { code: 'KTB_LOCAL_STACK' });
  const order = [
    '`temporal.address`',
    "/nowhere/temporal can't be run",
    'swallowed by the firewall',
    'no `go` on PATH',
  ];
  const places = order.map((each) => error.message.indexOf(each));
  t.false(places.includes(-1), error.message);
  t.deepEqual(
    places,
    [...places].sort((a, b) => a - b),
  );
});

test('a build that fails is told with its last lines', async (t) => {
  const cache = cacheWithoutDownload(t);
  const bin = join(cache, 'bin');
  mkdirSync(bin);
  program(bin, 'go', "echo 'go: go.mod requires go >= 1.26.8 (running go 1.20)' >&2; exit 1");
  const error = await t.throwsAsync(resolveTemporal({ cache, env: { PATH: bin } }));
  t.regex(error.message, /requires go >= 1\.26\.8/);
});

test('the CLI comes before everything else, and listens on loopback with our settings', async (t) => {
  const folder = temporaryFolder(t);
  const path = program(folder, 'temporal', 'echo "$@"; exit 1');
  const named = { PATH: '/nowhere', TEMPORAL_CLI_PATH: path };
  t.deepEqual(await resolveTemporal({ cache: folder, env: named }), { kind: 'cli', path });
  const executable = await resolveTemporal({ cache: folder, env: { PATH: folder } });
  t.deepEqual(executable, { kind: 'cli', path });

  const dataDir = join(folder, 'data');
  const port = await freePort();
  const error = await t.throwsAsync(
    startTemporalServer({ dataDir, executable, port, uiPort: port + 1, namespace: 'orders' }),
  );
  t.true(error.message.includes('ended with code 1'));
  const args = readFileSync(join(dataDir, 'temporal.log'), 'utf8');
  t.true(args.startsWith(`server start-dev --ip 127.0.0.1 --port ${port} `));
  t.true(args.includes(`--ui-ip 127.0.0.1 --ui-port ${port + 1}`));
  t.true(args.includes('--namespace orders'));
  t.true(args.includes('--dynamic-config-value history.transferProcessorMaxPollRPS=2000'));
});
