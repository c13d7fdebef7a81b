import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { resolveConfig } from '../../bridge/config/resolve.js';
import type { BridgeConfig } from '../../bridge/config/types.js';
import { BASE } from './base-config.js';

const resolve = (env: Record<string, string>, config: BridgeConfig = BASE) =>
  resolveConfig(config, { baseDir: '/', env });

test('KAFKA_BROKERS overrides the brokers', (t) => {
  t.deepEqual(resolve({ KAFKA_BROKERS: ' a:1, b:2 ,' }).kafka.brokers, ['a:1', 'b:2']);
  t.deepEqual(resolve({ KAFKA_BROKERS: ' ' }).kafka.brokers, ['localhost:9092']);
});

test('KAFKA_BROKERS without a port is refused by name', (t) => {
  t.throws(() => resolve({ KAFKA_BROKERS: 'a:1,b' }), {
    code: 'KTB_CONFIG',
    message: 'Expected `KAFKA_BROKERS` to be `host:port`, several separated by commas, got "a:1,b"',
  });
});

test("Temporal's standard variables override the config", (t) => {
  const { temporal } = resolve({
    TEMPORAL_ADDRESS: 'cloud:7233',
    TEMPORAL_NAMESPACE: 'prod',
    TEMPORAL_API_KEY: 'key',
    TEMPORAL_GRPC_META_X_TEAM: 'orders',
  });
  t.like(temporal, {
    address: 'cloud:7233',
    namespace: 'prod',
    apiKey: 'key',
    tls: true,
    taskQueue: 'orders',
  });
  t.is(Object.values(temporal.metadata ?? {})[0], 'orders');
});

test('an empty variable overrides nothing', (t) => {
  const { temporal } = resolve(
    { TEMPORAL_ADDRESS: '', TEMPORAL_API_KEY: '', TEMPORAL_CONFIG_FILE: '' },
    { ...BASE, temporal: { ...BASE.temporal, address: 'mine:1' } },
  );
  t.like(temporal, { address: 'mine:1', apiKey: undefined, tls: undefined });
});

test("an API key from outside leaves the config's certificates in place", (t) => {
  const tls = { serverNameOverride: 'x' };
  const { temporal } = resolve({ TEMPORAL_API_KEY: 'key' }, { ...BASE, temporal: { ...BASE.temporal, tls } });
  t.is(temporal.tls, tls);
});

test('TLS can be switched off from outside', (t) => {
  t.is(
    resolve({ TEMPORAL_TLS: 'false' }, { ...BASE, temporal: { ...BASE.temporal, tls: true } }).temporal.tls,
    false,
  );
});

test('a profile file overrides the config, and variables override the file', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'ktb-env-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'temporal.toml');
  await writeFile(
    file,
    '[profile.default]\naddress = "file:1"\nnamespace = "from-file"\n[profile.prod]\naddress = "prod:1"\napi_key = "k"\n[profile.prod.tls]\nserver_name = "s"\n[profile.prod.grpc_meta]\nteam = "x"\n',
  );
  t.like(resolve({ TEMPORAL_CONFIG_FILE: file }).temporal, { address: 'file:1', namespace: 'from-file' });
  t.like(resolve({ TEMPORAL_CONFIG_FILE: file, TEMPORAL_ADDRESS: 'variable:1' }).temporal, {
    address: 'variable:1',
    namespace: 'from-file',
  });
  t.like(resolve({ TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'prod' }).temporal, {
    address: 'prod:1',
    apiKey: 'k',
    tls: { serverNameOverride: 's' },
    metadata: { team: 'x' },
  });
});

test('a profile file that is named but not there is an error', (t) => {
  t.throws(() => resolve({ TEMPORAL_CONFIG_FILE: '/nowhere/x.toml' }), {
    code: 'KTB_CONFIG',
    message: /TEMPORAL_CONFIG_FILE/,
  });
});

test('a broken profile file is an error that shows none of its lines', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'ktb-env-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'temporal.toml');
  await writeFile(file, '[profile.default]\napi_key = "canary-7f3a" x\n');
  const error = t.throws(() => resolve({ TEMPORAL_CONFIG_FILE: file }), { code: 'KTB_CONFIG' });
  t.false(`${error?.stack} ${String(error?.cause)}`.includes('canary-7f3a'));
});
