import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { freePort, portOr, releasePorts } from '../../bridge/local-stack/ports.js';
import { startProcess } from '../faults/process.js';

const cache = mkdtempSync(join(tmpdir(), 'ktb-ports-'));
process.env['KTB_CACHE_DIR'] = cache;
test.after.always(() => rmSync(cache, { recursive: true, force: true }));

/** Takes the port, or another one, says which, and holds it without binding it. */
const TAKER = `
const { portOr } = await import(process.argv[1]);
console.log('port ' + (await portOr(Number(process.argv[2]))) + ';');
setInterval(() => {}, 1000);
`;

test('of processes that want one port at the same moment one gets it, and its death gives it back', async (t) => {
  const wanted = await freePort();
  await releasePorts([wanted]);
  const module = new URL('../../bridge/local-stack/ports.ts', import.meta.url).href;
  const takers = [1, 2, 3].map((n) =>
    startProcess({
      name: `taker-${n}`,
      command: process.execPath,
      args: [
        '--import',
        import.meta.resolve('tsx'),
        '--input-type=module',
        '-e',
        TAKER,
        module,
        String(wanted),
      ],
    }),
  );
  t.teardown(async () => void (await Promise.all(takers.map((one) => one.kill()))));
  const ports = await Promise.all(
    takers.map(async (one) => Number((await one.waitForOutput(/port (\d+);/))[1])),
  );
  t.is(new Set(ports).size, takers.length, `one each: ${ports.join(', ')}`);
  t.is(ports.filter((port) => port === wanted).length, 1);
  t.not(await portOr(wanted), wanted, 'nobody listens there, and it is taken all the same');
  await takers[ports.indexOf(wanted)]!.kill();
  t.is(await portOr(wanted), wanted);
  await releasePorts([wanted]);
  t.is(await portOr(wanted), wanted, 'given back, it can be had again');
});
