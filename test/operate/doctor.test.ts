/** What can't be had on this machine, by doubles: MySQL, the Cloud, rights that are missing. See also test/integration/doctor.test.ts. */
import { readFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import test from 'ava';
import { printerFor, summary } from '../../bridge/cli/doctor-command.js';
import { resolveConfig } from '../../bridge/config/resolve.js';
import type { BridgeConfig } from '../../bridge/config/types.js';
import { Checkup } from '../../bridge/operate/doctor/checkup.js';
import { CHECKS, type CheckName, type Finding } from '../../bridge/operate/doctor/finding.js';
import { prefixOf } from '../../bridge/operate/doctor/id-prefix.js';
import { CHECK_ORDER, runChecks } from '../../bridge/operate/doctor/run.js';
import { topicsCheck } from '../../bridge/operate/doctor/topics.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { BASE, withRoutes } from '../config/base-config.js';
import { AWAY_KAFKA } from '../helpers/doubles/away-kafka.js';
import { InspectorDouble } from '../helpers/doubles/inspector-double.js';

const KAFKA_NEEDED: readonly CheckName[] = CHECKS.slice(CHECKS.indexOf('topics'));

function healthy(): InspectorDouble {
  const temporal = new InspectorDouble();
  for (const name of ['KtbRecord', 'KtbKey', 'KtbRoute']) temporal.attributes.set(name, 'Keyword');
  temporal.attributes.set('KtbOffset', 'Int');
  for (const queue of ['orders', 'orders-ktb']) temporal.poll(queue);
  return temporal;
}

async function examined(temporal: InspectorDouble, config: BridgeConfig = BASE, probe = true) {
  const checkup = new Checkup({
    config: resolveConfig(config, { baseDir: '/', env: {} }),
    temporal,
    kafka: AWAY_KAFKA,
    probe,
  });
  const findings = await runChecks(checkup);
  return (check: CheckName) => findings.filter((one) => one.check === check);
}

const inCloud = {
  ...BASE,
  temporal: { ...BASE.temporal, address: 'ns.acct.tmprl.cloud:7233', namespace: 'ns.acct' },
};

test('the checks are run in the order in which they are named', (t) => {
  t.deepEqual(CHECK_ORDER, CHECKS);
});

test('a topic of dead letters that is not there is a warning, of a pattern those of the topics that it takes', async (t) => {
  const looked = async (...present: string[]) =>
    topicsCheck.look(
      new Checkup({
        config: resolveConfig(
          withRoutes(
            { topic: 'orders', workflow: 'w', deadLetterTopic: true },
            { id: 'of-pattern', topic: /pay.*/, workflow: 'w', deadLetterTopic: true },
          ),
          { baseDir: '/', env: {} },
        ),
        temporal: healthy(),
        kafka: { ...AWAY_KAFKA, topics: async () => present, logs: async () => [] },
        probe: false,
      }),
    );
  const found = await looked('orders', 'pay-a', 'pay-b', 'pay-b.dlq');
  t.deepEqual(
    found.map(({ level, message }) => `${level}: ${message}`),
    [
      'warning: orders.dlq, for dead letters of route `orders`, does not exist',
      'warning: pay-a.dlq, for dead letters of route `of-pattern`, does not exist',
    ],
  );
  t.is((await looked('orders', 'orders.dlq', 'pay-a', 'pay-a.dlq'))[0]?.level, 'ok');
});

test('docs/doctor.md has a row for each check, in their order, and none for others', (t) => {
  const rows = [...readFileSync('docs/doctor.md', 'utf8').matchAll(/^\| `([\w-]+)` \|([^|]+)\|([^|]*)\|$/gm)];
  t.deepEqual([...new Set(rows.map(([, check]) => check))], [...CHECKS]);
  for (const [, check, finds, advice] of rows) {
    t.not(finds!.trim(), '', check);
    if (!finds!.trim().startsWith('Nothing')) t.not(advice!.trim(), '', `${check}: ${finds}`);
  }
});

test('all that concerns Temporal alone is well where it is, and a Kafka that is away is one problem: what needs it is skipped, not well', async (t) => {
  const of = await examined(healthy());
  for (const check of CHECKS.slice(0, CHECKS.indexOf('kafka'))) t.is(of(check)[0]?.level, 'ok', check);
  t.like(of('kafka')[0], { level: 'problem' });
  t.regex(of('kafka')[0]!.message, /ECONNREFUSED/);
  t.regex(of('kafka')[0]!.advice!, /kafka\.brokers/);
  for (const check of KAFKA_NEEDED)
    t.deepEqual(of(check), [
      { check, level: 'skipped', message: "Not checked: Kafka can't be used", advice: null },
    ]);
});

test('where Temporal refuses us, the advice is about who we are, and nothing else of it is looked at', async (t) => {
  const temporal = healthy();
  temporal.fault = new TemporalFault('systemic', 'Request unauthorized.', { status: 'PERMISSION_DENIED' });
  const of = await examined(temporal);
  t.like(of('temporal')[0], { level: 'problem' });
  t.regex(of('temporal')[0]!.advice!, /temporal\.apiKey.*temporal\.tls/);
  for (const check of ['server', 'search-attributes', 'workers', 'backlog', 'id-case', 'retention'] as const)
    t.is(of(check)[0]?.level, 'skipped', check);
  t.false(temporal.probed);
});

for (const [reason, advice] of [
  ['connect ECONNREFUSED 127.0.0.1:7233', /Nothing listens there.*temporal\.address/],
  ['getaddrinfo ENOTFOUND temporal.nowhere', /host's name is not known/],
  ['certificate has expired', /has expired.*temporal\.tls/],
  ["Hostname/IP does not match certificate's altnames: Host: x", /for another host/],
  ['self-signed certificate in certificate chain', /Give the CA.*temporal\.tls/],
  ['unable to verify the first certificate', /Give the CA/],
  ['error:0A00010B:SSL routines::wrong version number', /speaks no TLS/],
  ['read ECONNRESET', /TLS port/],
  ['Deadline exceeded', /firewall/],
] as const) {
  test(`the advice fits the cause: ${reason}`, async (t) => {
    const temporal = healthy();
    temporal.fault = new TemporalFault('systemic', reason, { status: 'UNAVAILABLE' });
    const [finding] = (await examined(temporal))('temporal');
    t.is(finding?.level, 'problem');
    t.true(finding!.message.includes(reason));
    t.regex(finding!.advice!, advice);
  });
}

test('IDs blind to case, as with MySQL, are a problem, and the probe is gone afterwards', async (t) => {
  const temporal = healthy();
  temporal.serverFacts = { version: '1.32.1', persistence: 'mysql8' };
  temporal.caseBlind = true;
  const of = await examined(temporal);
  t.regex(of('server')[0]!.message, /1\.32\.1 on mysql8/);
  t.is(of('id-case')[0]?.level, 'problem');
  t.regex(of('id-case')[0]!.message, /differ in case only/);
  t.regex(of('id-case')[0]!.advice!, /collation.*utf8mb4_bin/);
  t.true(temporal.probed);
  t.is(temporal.probes.size, 0);
});

test('a server that refuses long IDs is a problem, and the probe goes on with a short one', async (t) => {
  const temporal = healthy();
  temporal.maxIdBytes = 200;
  const of = await examined(temporal);
  t.is(of('id-length')[0]?.level, 'problem');
  t.regex(of('id-length')[0]!.advice!, /limit\.maxIDLength/);
  t.is(of('id-case')[0]?.level, 'ok');
  t.is(of('priority')[0]?.level, 'ok');
});

test('ignored priorities are a warning', async (t) => {
  const temporal = healthy();
  temporal.prioritiesIgnored = true;
  const [finding] = (await examined(temporal))('priority');
  t.is(finding?.level, 'warning');
  t.regex(finding!.advice!, /matching\.useNewMatcher/);
});

test('without the probe nothing is started, and what needs it is skipped', async (t) => {
  const temporal = healthy();
  const of = await examined(temporal, BASE, false);
  for (const check of ['id-case', 'id-length', 'priority'] as const) t.is(of(check)[0]?.level, 'skipped');
  t.false(temporal.probed);
});

test("in the Cloud the advice for search attributes is Cloud's own commands", async (t) => {
  const temporal = healthy();
  temporal.attributes.delete('KtbOffset');
  const [finding] = (await examined(temporal, inCloud))('search-attributes');
  t.is(finding?.level, 'warning');
  t.regex(
    finding!.advice!,
    /`temporal cloud namespace search-attribute create --namespace ns\.acct --name KtbOffset --type Int`/,
  );
  t.regex(
    finding!.advice!,
    /`tcld namespace search-attributes add --namespace ns\.acct --search-attribute "KtbOffset=Int"`/,
  );
});

test('a server that keeps its store to itself, as Cloud does, is named without one', async (t) => {
  const temporal = healthy();
  temporal.serverFacts = { version: '1.33.0', persistence: undefined };
  t.regex(
    (await examined(temporal, inCloud))('server')[0]!.message,
    /^Temporal server 1\.33\.0; capabilities: /,
  );
});

test('a worker that was killed is missed once its poll is over, and the message says since when', async (t) => {
  const temporal = healthy();
  temporal.pollers.clear();
  temporal.poll('orders', '1@host', Date.now() - 240_000);
  temporal.poll('orders-ktb');
  const found = (await examined(temporal))('workers');
  t.is(found.length, 1);
  t.regex(found[0]!.message, /No worker polls orders for workflow tasks \(the last one did 4 min ago\)/);
});

test('a check that fails by itself says why, and is not well', async (t) => {
  const temporal = healthy();
  temporal.searchAttributes = () =>
    Promise.reject(new TemporalFault('systemic', 'not allowed to list', { status: 'PERMISSION_DENIED' }));
  const [finding] = (await examined(temporal))('search-attributes');
  t.like(finding, { level: 'warning', message: 'This could not be checked: not allowed to list' });
  t.truthy(finding!.advice);
});

test('the prefix of an execution is what stands before its key, or before its route and key', (t) => {
  const prefix = (workflowId: string, route: string, key?: string) =>
    prefixOf({ workflowId, route, key, subscription: 's' });
  t.is(prefix('order-1', 'r', 'order-1'), '');
  t.is(prefix('p:order-1', 'r', 'order-1'), 'p:');
  t.is(prefix('p:r/order-1', 'r', 'order-1'), 'p:');
  t.is(prefix('r/order-1', 'r', 'order-1'), '');
  t.is(prefix('ktb/s/record/t/0/1@2', 'r'), undefined);
  t.is(prefix('ktb/s/quarantine/t/0/1@2', 'r', 'order-1'), undefined);
  t.is(prefix('hashed~00', 'r', 'order-1'), undefined);
});

const finding = (fields: Partial<Finding>): Finding => ({
  check: 'topics',
  level: 'ok',
  message: 'm',
  advice: null,
  ...fields,
});

function printed(isTTY: boolean, env: NodeJS.ProcessEnv): string {
  let text = '';
  const stream = Object.assign(
    new Writable({ write: (chunk: Buffer, _encoding, done) => ((text += chunk.toString()), done()) }),
    { isTTY },
  );
  const print = printerFor(stream, env);
  print(finding({}));
  print(finding({ level: 'problem', message: 'it is gone', advice: 'Create it.' }));
  return text;
}

test('colours on a terminal only, and not against NO_COLOR', (t) => {
  const escape = String.fromCharCode(27);
  t.true(printed(true, {}).includes(escape));
  for (const plain of [
    printed(false, {}),
    printed(true, { NO_COLOR: '1' }),
    printed(true, { TERM: 'dumb' }),
  ]) {
    t.false(plain.includes(escape));
    t.regex(plain, /^✔ topics +m\n✖ topics +it is gone\n +→ Create it\.\n$/);
  }
});

test('the last line counts what was found', (t) => {
  t.is(summary([finding({})]), 'Nothing found');
  t.is(
    summary([finding({ level: 'problem' }), finding({ level: 'warning' }), finding({ level: 'problem' })]),
    '2 problems, 1 warning',
  );
  t.is(summary([finding({ level: 'skipped' })]), 'Nothing found; 1 not checked');
});
