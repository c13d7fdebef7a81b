/** docs/metrics.md, the dashboard and the alert rules against what a bridge really serves. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { Registry } from 'prom-client';
import { parse } from 'yaml';
import { resolveConfig } from '../../bridge/config/resolve.js';
import { ALERT_KINDS } from '../../bridge/observe/alerts.js';
import { BridgeMetrics } from '../../bridge/observe/metrics.js';
import { producerMetrics } from '../../bridge/producer/producer-metrics.js';
import { BASE } from '../config/base-config.js';

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const document = read('metrics.md');

interface Known {
  readonly name: string;
  readonly type: string;
  readonly labelNames: readonly string[];
}

const metrics = new BridgeMetrics(resolveConfig(BASE, { baseDir: '/', env: {} }));
const registry = new Registry();
producerMetrics(registry);
const own = [...metrics.all, ...registry.getMetricsAsArray()] as unknown as readonly Known[];
metrics.withProcessMetrics();
const all = new Map(
  [...own, ...(metrics.all as unknown as readonly Known[])].map((one) => [one.name, one] as const),
);

/** What Prometheus adds of itself. */
const TARGET_LABELS = ['instance', 'job', 'le'];

/** The metric of a series: a histogram has three. */
function metricOf(series: string): Known | undefined {
  return all.get(series) ?? all.get(series.replace(/_(?:bucket|sum|count)$/, ''));
}

/** The series of an expression, each with the labels that it is chosen by. */
function seriesOf(
  expression: string,
): readonly { readonly name: string; readonly labels: readonly string[] }[] {
  return [...expression.matchAll(/\b((?:ktb|kafka|process|nodejs|temporal)_\w+)(?:\{([^}]*)\})?/g)].map(
    ([, name, chosen = '']) => ({
      name: name!,
      labels: [...chosen.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label!),
    }),
  );
}

/** The labels of `by (…)`, `on (…)` and `ignoring (…)`. */
const groupings = (expression: string): readonly string[] =>
  [...expression.matchAll(/\b(?:by|on|ignoring|without)\s*\(([^)]*)\)/g)].flatMap(([, labels]) =>
    labels!.split(',').map((label) => label.trim()),
  );

const placeholders = (text: string): readonly string[] =>
  [...text.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)].map(([, label]) => label!);

/** What is wrong with an expression, and with the labels that texts beside it name. */
function problemsOf(expression: string, texts: readonly string[] = []): readonly string[] {
  const used = seriesOf(expression);
  const found = used.flatMap(({ name, labels }) => {
    const metric = metricOf(name);
    if (!metric) return [`${name} is not there`];
    return labels
      .filter((label) => ![...metric.labelNames, ...TARGET_LABELS].includes(label))
      .map((label) => `${name} has no label ${label}`);
  });
  const known = new Set([...TARGET_LABELS, ...used.flatMap(({ name }) => metricOf(name)?.labelNames ?? [])]);
  const named = [...groupings(expression), ...texts.flatMap(placeholders)].filter(
    (label) => !known.has(label),
  );
  return [
    ...(used.length === 0 ? ['it names no series'] : []),
    ...found,
    ...named.map((label) => `nothing in it has a label ${label}`),
  ];
}

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const dashboard = JSON.parse(read('grafana-dashboard.json')) as {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly query: string; readonly type: string }[] };
};
const rules = (
  parse(read('prometheus-rules.yaml')) as {
    readonly groups: readonly {
      readonly rules: readonly {
        readonly alert: string;
        readonly expr: string;
        readonly annotations: Readonly<Record<string, string>>;
        readonly labels: { readonly severity: string };
      }[];
    }[];
  }
).groups.flatMap((group) => group.rules);

test('what is wrong with an expression is found', (t) => {
  t.deepEqual(
    problemsOf('sum by (outcome) (rate(kafka_messages_processed_total{topic="a"}[5m]))', ['{{outcome}}']),
    [],
  );
  t.deepEqual(problemsOf('ktb_gone{a="b"}'), ['ktb_gone is not there']);
  t.deepEqual(problemsOf('ktb_limit{topic="a"}'), ['ktb_limit has no label topic']);
  t.deepEqual(problemsOf('sum by (key) (ktb_limit)', ['{{ $labels.topic }}']), [
    'nothing in it has a label key',
    'nothing in it has a label topic',
  ]);
});

test('every series of the dashboard is there, with the labels that it is asked by', (t) => {
  const targets = dashboard.panels.flatMap(({ title, targets: of = [] }) =>
    of.map((one) => ({ title, ...one })),
  );
  t.true(targets.length > 30);
  for (const { title, expr, legendFormat } of targets)
    t.deepEqual(problemsOf(expr, [legendFormat]), [], title);
  for (const { query, type } of dashboard.templating.list)
    if (type === 'query') t.deepEqual(problemsOf(query), [], query);
});

test('every series of the alert rules is there, with its labels', (t) => {
  t.true(rules.length > 10);
  for (const { alert, expr, annotations, labels } of rules) {
    t.deepEqual(problemsOf(expr, Object.values(annotations)), [], alert);
    t.regex(labels.severity, /^(?:warning|critical)$/, alert);
    t.truthy(annotations['summary'], alert);
  }
});

test('the rules look at what an operator must know of', (t) => {
  const looked = new Set(rules.flatMap(({ expr }) => seriesOf(expr).map(({ name }) => name)));
  for (const name of [
    'ktb_ready',
    'ktb_consumer_lag',
    'ktb_consumer_lag_seconds',
    'ktb_partition_last_progress_timestamp_seconds',
    'ktb_circuit_state',
    'kafka_messages_processed_total',
    'ktb_dead_letters_total',
    'ktb_offset_commits_total',
    'ktb_limit_minimum',
  ])
    t.true(looked.has(name), name);
});

test('every series of ours is on the dashboard or in a rule, but the numbers that are there to be looked up', (t) => {
  const used = new Set(
    [
      ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
      ...rules.map(({ expr }) => expr),
    ].flatMap((expr) => seriesOf(expr).map(({ name }) => metricOf(name)?.name)),
  );
  t.deepEqual(
    own.map(({ name }) => name).filter((name) => !used.has(name)),
    [
      'ktb_partition_committed_offset',
      'ktb_partition_assignment_epoch',
      'ktb_buffered_records',
      'ktb_producer_buffered_bytes',
    ],
  );
});

test('metrics.md lists exactly the series that there are, with type and labels', (t) => {
  const table = document.split('## Series\n')[1]!.split('\n## ')[0]!;
  const rows = [...table.matchAll(/^\| `(\w+)` \| (\w+) \| ([^|]*)\| ([^|]+) \|/gm)].map(
    ([, name, type, labels]) => ({
      name,
      type,
      labelNames: [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label!),
    }),
  );
  const byName = (list: readonly { readonly name?: string | undefined }[]) =>
    list.toSorted((a, b) => a.name!.localeCompare(b.name!));
  t.deepEqual(
    byName(rows),
    byName(own.map(({ name, type, labelNames }) => ({ name, type, labelNames: [...labelNames] }))),
  );
});

test('metrics.md explains every kind of alert, and none that is not there', (t) => {
  const table = document.split('## Alerts\n')[1]!.split('\n## ')[0]!;
  const kinds = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, kind]) => kind!);
  t.deepEqual(kinds.toSorted(), [...ALERT_KINDS].toSorted());
});

test('no series of ours has a name that belongs to somebody else, and none counts in milliseconds', (t) => {
  for (const { name, type } of own) {
    t.false(/^(?:temporal_|kafka_consumergroup_)|_ms$|milliseconds/.test(name), name);
    t.is(name.endsWith('_total'), type === 'counter', name);
  }
});
