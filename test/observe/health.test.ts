import test from 'ava';
import { liveness, LOOP_MS, QUIET_MS, readiness, type ReadinessInput } from '../../bridge/observe/health.js';

const NOW = 1_000_000;
const GRACE = 30_000;

function input(fields: Partial<ReadinessInput> = {}): ReadinessInput {
  return {
    now: NOW,
    graceMs: GRACE,
    phase: 'running',
    phaseSince: NOW - 100_000,
    temporalAt: NOW - 400,
    kafkaAt: NOW - 400,
    joinedAt: NOW - 90_000,
    asksKafka: true,
    ...fields,
  };
}

const failed = (fields: Partial<ReadinessInput>) => {
  const { status, checks } = readiness(input(fields));
  return [
    status,
    ...checks.filter((check) => check.status !== 'ok').map(({ name, status: of }) => `${name} ${of}`),
  ];
};

test('it is ready once Temporal has answered and the group was joined, with or without a partition', (t) => {
  t.deepEqual(failed({}), ['ok']);
  t.deepEqual(failed({ asksKafka: false, kafkaAt: undefined }), ['ok']);
  t.deepEqual(
    failed({ asksKafka: false, kafkaAt: NOW - 10 * GRACE }),
    ['ok'],
    'nothing is asked of Kafka then',
  );
});

test('it is not ready while it starts, drains, or has stopped, and says which', (t) => {
  t.deepEqual(failed({ phase: 'starting', temporalAt: undefined, joinedAt: undefined }), [
    'failed',
    'bridge failed',
    'temporal failed',
    'kafka failed',
  ]);
  t.deepEqual(failed({ phase: 'waiting', joinedAt: undefined }), ['failed', 'bridge failed', 'kafka failed']);
  t.deepEqual(failed({ phase: 'draining' }), ['failed', 'bridge failed']);
  t.deepEqual(failed({ phase: 'stopped' }), ['failed', 'bridge failed']);
  t.regex(readiness(input({ phase: 'draining' })).checks[0]!.reason!, /drains/);
});

test('while the group is not joined yet Temporal is not asked, and not said to be away', (t) => {
  t.deepEqual(failed({ joinedAt: undefined, temporalAt: NOW - 10 * GRACE }), [
    'failed',
    'bridge failed',
    'kafka failed',
  ]);
});

for (const [whom, field] of [
  ['temporal', 'temporalAt'],
  ['kafka', 'kafkaAt'],
] as const)
  test(`an outage of ${whom} counts only after the grace time`, (t) => {
    t.deepEqual(failed({ [field]: NOW - QUIET_MS + 1 }), ['ok']);
    t.deepEqual(failed({ [field]: NOW - QUIET_MS }), ['ok', `${whom} away`]);
    t.deepEqual(failed({ [field]: NOW - GRACE + 1 }), ['ok', `${whom} away`]);
    t.deepEqual(failed({ [field]: NOW - GRACE }), ['failed', `${whom} failed`]);
    const check = readiness(input({ [field]: NOW - GRACE })).checks.find(({ name }) => name === whom);
    t.is(check?.since, NOW - GRACE);
    t.regex(check!.reason!, /has taken no call of ours for 30 s/);
  });

test('a rebuild of the consumer is no outage as long as Kafka answers', (t) => {
  t.deepEqual(failed({ phase: 'waiting' }), ['ok']);
});

test('it is alive while its loop turns, whatever else', (t) => {
  t.is(liveness(NOW, NOW - LOOP_MS).status, 'ok');
  const late = liveness(NOW, NOW - LOOP_MS - 1);
  t.is(late.status, 'failed');
  t.regex(late.checks[0]!.reason!, /has not turned for 10001 ms/);
});
