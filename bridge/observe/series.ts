import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Seconds: what a start takes, and what a backlog does. */
const SECONDS_BUCKETS = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300,
] as const;

const PARTITION = ['topic', 'partition'] as const;
const GROUP_PARTITION = ['consumergroup', 'topic', 'partition'] as const;

/**
 * Every series of ours, in one registry: two bridges in a process must not clash. Their names, types and labels are what
 * dashboards and alert rules are made of, and stay; docs/metrics.md says what each means.
 */
export function createSeries(registry: Registry) {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter<L>({ name, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge<L>({ name, help, labelNames, registers });
  const seconds = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Histogram<L>({ name, help, labelNames, registers, buckets: [...SECONDS_BUCKETS] });
  return {
    processed: counter(
      'kafka_messages_processed_total',
      'Records, counted once, when their outcome was known.',
      ['topic', 'event_type', 'outcome'],
    ),
    deferred: counter(
      'ktb_records_deferred_total',
      'Records that had to wait: `held` and `decoder` at the head of their line, `demand` since their route asks for none, `pressure` since they are of low priority, `delayed` in Temporal until they are due.',
      ['reason'],
    ),
    conflated: counter(
      'ktb_records_conflated_total',
      'Records that a later one of their key has superseded.',
      ['route'],
    ),
    expired: counter('ktb_records_expired_total', 'Records that came later than `maxAgeMs` allows.', [
      'route',
    ]),
    deadLetters: counter(
      'ktb_dead_letters_total',
      'Executions of records that ended badly, as visibility counts them once a minute; by one bridge of the group.',
      ['route'],
    ),
    deadLettersPublished: counter(
      'ktb_dead_letters_published_total',
      "Dead letters that were published to their routes' topics.",
      ['route'],
    ),
    deadLetterPublishFailures: counter(
      'ktb_dead_letter_publish_failures_total',
      'Attempts to publish a dead letter that failed; it is tried again.',
      ['route'],
    ),
    rebalances: counter(
      'ktb_rebalances_total',
      'Assignments that the group has given us, the first one included.',
    ),
    alerts: counter('ktb_alerts_total', 'Alerts that went out; a storm is one.', ['kind']),
    webhooks: counter('ktb_alert_posts_total', 'Alerts that went to the webhook, by what became of them.', [
      'result',
    ]),
    commits: counter(
      'ktb_offset_commits_total',
      'Rounds of the committer; `skipped`: there was nothing to commit.',
      ['result'],
    ),
    commitSeconds: seconds('ktb_offset_commit_duration_seconds', 'What a commit took, refused ones too.'),
    appendToStart: seconds(
      'ktb_append_to_start_seconds',
      "From a record's timestamp until Temporal had taken its start; without delayed ones.",
    ),
    startToClose: seconds(
      'ktb_start_to_close_seconds',
      'From a start until its execution had closed; of signal and update routes, whose closes the bridge waits for.',
    ),
    requestSeconds: seconds('ktb_temporal_request_duration_seconds', 'Calls of Temporal.', [
      'operation',
      'status',
    ]),
    lag: gauge('ktb_consumer_lag', "The log's end less the committed offset.", GROUP_PARTITION),
    lagSeconds: gauge(
      'ktb_consumer_lag_seconds',
      'The age of the oldest record that is not settled; 0 where none is known.',
      GROUP_PARTITION,
    ),
    highestSeen: gauge('ktb_partition_highest_seen_offset', 'The last offset that was fetched.', PARTITION),
    highestSequential: gauge(
      'ktb_partition_highest_sequential_succeeded_offset',
      'The last offset with nothing unsettled up to it.',
      PARTITION,
    ),
    committed: gauge(
      'ktb_partition_committed_offset',
      'The committed offset: the next to be read.',
      PARTITION,
    ),
    incomplete: gauge('ktb_partition_incomplete_offsets', 'Records fetched and not settled.', PARTITION),
    epoch: gauge('ktb_partition_assignment_epoch', 'Of which assignment of ours it is.', PARTITION),
    lastProgress: gauge(
      'ktb_partition_last_progress_timestamp_seconds',
      'When a record was last settled, or the partition assigned.',
      PARTITION,
    ),
    blockingRecords: gauge(
      'ktb_blocking_records',
      'Records that wait behind a head that is blocked: its route is held, or its decoder away.',
      PARTITION,
    ),
    blockingSeconds: gauge('ktb_blocking_seconds', 'How long the head has been blocked.', PARTITION),
    paused: gauge(
      'ktb_partitions_paused',
      'Partitions that are not read on: `buffer` it is full, `held` the head waits, `stopped` for good, `drain`.',
      ['reason'],
    ),
    assigned: gauge('ktb_partitions_assigned', 'Partitions that are ours.'),
    inFlight: gauge('ktb_inflight_records', 'Records of this bridge that are being started.'),
    waiting: gauge(
      'ktb_waiting_records',
      'Records that were fetched and wait, for their turn or for a permit.',
    ),
    bufferedRecords: gauge('ktb_buffered_records', 'Records held, of `buffer.records`.'),
    bufferedBytes: gauge('ktb_buffered_bytes', 'Bytes held, of `buffer.bytes`.'),
    limit: gauge(
      'ktb_limit',
      'Records that may be in work: in all bridges together (`route=""`), and of routes that have a limit of their own.',
      ['route'],
    ),
    limitMinimum: gauge(
      'ktb_limit_minimum',
      'Below which the limit never falls, `capacity.minimum`; 0 where it does not move.',
    ),
    backlog: gauge('ktb_backlog_tasks', 'Tasks that wait for a worker, as far as is known.'),
    routesHeld: gauge('ktb_routes_held', 'Routes that are held, by why.', ['reason']),
    circuit: gauge('ktb_circuit_state', 'The circuit around Temporal: 0 closed, 1 half-open, 2 open.'),
    capacityCircuit: gauge(
      'ktb_capacity_circuit_state',
      'The circuit of the capacity loop, as this bridge has last heard: 0 closed, 1 half-open, 2 open.',
    ),
    capacityInFlight: gauge(
      'ktb_capacity_inflight_records',
      'Records in work, in all bridges and workers of the task queue, with what is lent.',
    ),
    capacityWorkers: gauge('ktb_capacity_workers', 'Worker processes that report.'),
    leaseHeld: gauge(
      'ktb_capacity_lease_held',
      'Whether this bridge is lent slots now; idle it asks for none.',
    ),
    pressure: gauge(
      'ktb_pressure',
      "Whether this bridge takes less since a machine is under pressure, its own or the workers', by of what.",
      ['of'],
    ),
    pollRecords: gauge(
      'ktb_poll_records',
      'Records taken from a partition at a time: `maxPollRecords`, or fewer under pressure.',
    ),
    gateShut: gauge(
      'ktb_gate_shut',
      'Whether nothing is admitted: `backlog`, `circuit`, `paused` by an operator.',
      ['reason'],
    ),
    ready: gauge('ktb_ready', 'Whether /readyz says 200.'),
  };
}

export type Series = ReturnType<typeof createSeries>;
