/** Setup where it may not add them, by a double; on a real server: test/integration/setup.test.ts. */
import test from 'ava';
import { resolveConfig } from '../../bridge/config/resolve.js';
import { BridgeError } from '../../bridge/errors.js';
import { registerSearchAttributes } from '../../bridge/operate/setup.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { BASE } from '../config/base-config.js';
import { InspectorDouble } from '../helpers/doubles/inspector-double.js';

const NAMES = ['KtbRecord', 'KtbKey', 'KtbRoute', 'KtbOffset'];

function temporalOf(address: string) {
  const temporal = { ...BASE.temporal, address, namespace: 'ns.acct' };
  return resolveConfig({ ...BASE, temporal }, { baseDir: '/', env: {} }).temporal;
}

for (const address of ['ns.acct.tmprl.cloud:7233', 'eu-central-1.aws.api.temporal.io:7233']) {
  test(`at ${address} nothing is added: there are commands of the Cloud's for what is missing`, async (t) => {
    const port = new InspectorDouble();
    port.attributes.set('KtbOffset', 'Int');
    const result = await registerSearchAttributes(temporalOf(address), port);
    t.like(result, { added: [], present: ['KtbOffset'], missing: NAMES.slice(0, 3) });
    t.deepEqual(
      result.commands,
      NAMES.slice(0, 3).map(
        (name) =>
          `temporal cloud namespace search-attribute create --namespace ns.acct --name ${name} --type Keyword`,
      ),
    );
    t.deepEqual([...port.attributes.keys()], ['KtbOffset']);
  });
}

for (const status of ['PERMISSION_DENIED', 'UNIMPLEMENTED']) {
  test(`where the operator service answers ${status}, there is a command for somebody who may`, async (t) => {
    const port = new InspectorDouble();
    port.addRefusedWith = status;
    const result = await registerSearchAttributes(temporalOf('temporal:7233'), port);
    t.deepEqual(result.missing, NAMES);
    t.is(result.reason, 'Request unauthorized.');
    t.deepEqual(result.commands, [
      'temporal operator search-attribute create --address temporal:7233 --namespace ns.acct ' +
        '--name KtbRecord --type Keyword --name KtbKey --type Keyword --name KtbRoute --type Keyword --name KtbOffset --type Int',
    ]);
  });
}

test('a server that fails is an error, not somebody else who must do it', async (t) => {
  const port = new InspectorDouble();
  port.addRefusedWith = 'INTERNAL';
  const error = await t.throwsAsync(registerSearchAttributes(temporalOf('temporal:7233'), port), {
    instanceOf: BridgeError,
  });
  t.is(error?.code, 'KTB_TEMPORAL');
  port.fault = new TemporalFault('systemic', 'connect ECONNREFUSED', { status: 'UNAVAILABLE' });
  await t.throwsAsync(registerSearchAttributes(temporalOf('temporal:7233'), port), {
    message: /can't be registered: connect ECONNREFUSED/,
  });
});

test('one of them with another type is an error that names both types, and nothing is added', async (t) => {
  const port = new InspectorDouble();
  port.attributes.set('KtbOffset', 'Keyword');
  const error = await t.throwsAsync(registerSearchAttributes(temporalOf('temporal:7233'), port), {
    instanceOf: BridgeError,
  });
  t.regex(
    error!.message,
    /Expected the search attribute `KtbOffset` of namespace ns\.acct to be of type Int, got Keyword/,
  );
  t.regex(error!.message, /temporal operator search-attribute remove --namespace ns\.acct --name KtbOffset/);
  t.is(port.attributes.size, 1);
});
