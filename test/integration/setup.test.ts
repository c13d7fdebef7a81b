import test from 'ava';
import { doctor, loadConfig, type Finding } from '../../bridge/index.js';
import { ensureNamespace } from '../../bridge/local-stack/temporal-namespace.js';
import type { SearchAttributeKind } from '../../bridge/temporal/inspector-port.js';
import { SdkInspectorPort } from '../../bridge/temporal/sdk-inspector-port.js';
import { SdkTemporalPort } from '../../bridge/temporal/sdk-temporal-port.js';
import { startKtb } from '../faults/process.js';
import { createScene, type Scene } from '../faults/scene.js';
import { testStack, unique } from '../helpers/stack.js';
import { startRequest } from '../temporal/temporal-port-contract.js';

const NAMES = ['KtbRecord', 'KtbKey', 'KtbRoute', 'KtbOffset'];

/** A project on a namespace of its own, which nobody has set up. */
async function bareScene(): Promise<Scene> {
  const stack = await testStack();
  const { address } = stack.temporal;
  const namespace = unique('bare');
  const { signal } = new AbortController();
  await ensureNamespace({ address, namespace, retentionMs: 259_200_000, signal });
  return createScene({ stack: { ...stack, temporal: { address, namespace } } });
}

async function ktb(scene: Scene, ...args: readonly string[]) {
  const it = startKtb('ktb', args, { config: scene.project.configPath });
  const { code } = await it.exited;
  return { code, stdout: it.stdout, stderr: it.stderr };
}

async function searchAttributes(scene: Scene): Promise<readonly Finding[]> {
  const findings = await doctor(await loadConfig({ file: scene.project.configPath }), { probe: false });
  return findings.filter(({ check }) => check === 'search-attributes');
}

test('`ktb setup` registers what the doctor misses; again, it changes nothing and says so', async (t) => {
  await using scene = await bareScene();
  const [missing] = await searchAttributes(scene);
  t.is(missing?.level, 'warning');
  for (const name of NAMES) t.true(missing!.message.includes(name), name);
  t.regex(missing!.advice!, /ktb setup/);

  const first = await ktb(scene, 'setup');
  t.is(first.code, 0, first.stderr);
  t.is(first.stdout, '');
  t.regex(first.stderr, /^Registered in namespace bare-.*: KtbRecord, KtbKey, KtbRoute, KtbOffset\n$/);
  t.is((await searchAttributes(scene))[0]?.level, 'ok');

  const again = await ktb(scene, 'setup', '--json');
  t.is(again.code, 0);
  t.deepEqual(JSON.parse(again.stdout), {
    namespace: scene.stack.temporal.namespace,
    added: [],
    present: NAMES,
    missing: [],
    commands: [],
    reason: null,
  });
});

test('one of them with another type is a clear error of `ktb setup` and a problem for the doctor; the bridge leaves it out and starts', async (t) => {
  await using scene = await bareScene();
  const config = await loadConfig({ file: scene.project.configPath });
  const inspector = new SdkInspectorPort(config.temporal);
  await inspector.addSearchAttributes(new Map<string, SearchAttributeKind>([['KtbOffset', 'Keyword']]));
  await inspector.close();

  const failed = await ktb(scene, 'setup');
  t.is(failed.code, 1);
  t.regex(
    failed.stderr,
    /^KTB_TEMPORAL: Expected the search attribute `KtbOffset` of namespace bare-\S+ to be of type Int, got Keyword/,
  );
  t.notRegex(failed.stderr, /\n {4}at /);

  const [wrong, missing] = await searchAttributes(scene);
  t.is(wrong?.level, 'problem');
  t.regex(wrong!.message, /KtbOffset is Keyword instead of Int/);
  t.regex(wrong!.advice!, /temporal operator search-attribute remove --namespace bare-\S+ --name KtbOffset/);
  t.is(missing?.level, 'warning');

  const port = new SdkTemporalPort(config.temporal);
  t.is((await port.start(startRequest())).kind, 'started');
  await port.close();
});
