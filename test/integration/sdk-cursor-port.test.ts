import test from 'ava';
import { SdkCursorPort } from '../../bridge/temporal/sdk-cursor-port.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { testStack, unique } from '../helpers/stack.js';
import { connectTemporal, plainTemporal } from '../helpers/temporal.js';
import { cursorPortContract } from '../temporal/cursor-port-contract.js';

const opened: SdkCursorPort[] = [];

async function open(name = unique('kept'), fields: { address?: string; namespace?: string } = {}) {
  const temporal = { ...plainTemporal((await testStack()).temporal), ...fields };
  const port = new SdkCursorPort({ name, temporal });
  opened.push(port);
  return port;
}

test.after.always(async () => {
  for (const port of opened) await port.close();
});

cursorPortContract(test, async () => {
  const name = unique('kept');
  return [await open(name), await open(name)];
});

test('what keeps it starts nothing: a paused schedule without times, which says what it is', async (t) => {
  const name = unique('kept');
  await (await open(name)).update(() => 'x');
  const client = await connectTemporal((await testStack()).temporal);
  const found = await client.schedule.getHandle(`ktb/${name}/dead-letters`).describe();
  t.true(found.state.paused);
  t.regex(found.state.note ?? '', /dead letters .* It starts nothing/);
  t.deepEqual(found.info.nextActionTimes, []);
  await client.connection.close();
});

test('one that was deleted by hand is as none, and made anew', async (t) => {
  const name = unique('kept');
  const port = await open(name);
  await port.update(() => 'x');
  const client = await connectTemporal((await testStack()).temporal);
  await client.schedule.getHandle(`ktb/${name}/dead-letters`).delete();
  await client.connection.close();
  t.is(await port.read(), undefined);
  await port.update(() => 'y');
  t.is(await port.read(), 'y');
});

test('a server that is away and a namespace that is missing are systemic faults, not a cursor that was never kept', async (t) => {
  const away = await open(undefined, { address: '127.0.0.1:1' });
  const nowhere = await open(undefined, { namespace: unique('nowhere') });
  for (const port of [away, nowhere]) {
    for (const call of [port.read(), port.update(() => 'x')]) {
      const fault = await t.throwsAsync(call, { instanceOf: TemporalFault });
      t.is((fault as TemporalFault).kind, 'systemic');
    }
  }
});
