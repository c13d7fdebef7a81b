/**
 * `npm run bench:producer`: our producer beside kafkajs's own, interleaved in one run on one broker. Speed is shown as
 * ratios to what ran beside it. `-- --records N --rounds N --json`.
 */
import { parseArgs } from 'node:util';
import { createProducer, type Producer } from '../bridge/index.js';
import { startLocalStack } from '../bridge/local-stack/local-stack.js';
import { terminalProgress } from '../bridge/observe/progress.js';
import { patchKafkajs } from '../bridge/intake/kafkajs-patches.js';
import { createTopic, kafkaClient, logEnds } from '../test/helpers/kafka.js';
import { unique } from '../test/helpers/stack.js';
import { CompressionTypes } from 'kafkajs';
import { countDoubles } from './producer/count-doubles.js';

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '4' },
    json: { type: 'boolean', default: false },
  },
});
const records = Number(values.records);
const rounds = Number(values.rounds);
const PARTITIONS = 8;
const BATCH = 1_000;
const SIZE = 200;
const IN_TURN = 500;
const CALLERS = 100;

interface Figures {
  readonly perSecond: number;
  /** Of the process, in MB. */
  readonly memory: number;
}

const progress = terminalProgress();
await using stack = await startLocalStack({ ports: 'free', ui: false, progress });
const { brokers } = stack.kafka;
patchKafkajs(64 * 1024 * 1024); // kafkajs has no snappy of its own
const value = (index: number): string => String(index).padEnd(SIZE, 'abcdefgh');

async function withPlain<T>(
  use: (plain: ReturnType<ReturnType<typeof kafkaClient>['producer']>) => Promise<T>,
) {
  const plain = kafkaClient(brokers).producer({ idempotent: true });
  await plain.connect();
  try {
    return await use(plain);
  } finally {
    await plain.disconnect();
  }
}

async function withOurs<T>(use: (ours: Producer) => Promise<T>): Promise<T> {
  await using ours = createProducer({ kafka: { brokers } });
  await ours.start();
  return await use(ours);
}

async function timed(count: number, run: () => Promise<void>): Promise<Figures> {
  let memory = 0;
  const watch = setInterval(() => (memory = Math.max(memory, process.memoryUsage().rss)), 50);
  const began = performance.now();
  try {
    await run();
  } finally {
    clearInterval(watch);
  }
  return { perSecond: (count / (performance.now() - began)) * 1_000, memory: memory / 1024 ** 2 };
}

const topicFor = (name: string): Promise<string> =>
  createTopic(brokers, unique(`bench-${name}`), { partitions: PARTITIONS });

/** kafkajs as it is fast: thousands of records at once, by hand. */
async function plainBulk(count: number): Promise<Figures> {
  const topic = await topicFor('plain');
  return withPlain((plain) =>
    timed(count, async () => {
      for (let from = 0; from < count; from += BATCH) {
        const messages = Array.from({ length: Math.min(BATCH, count - from) }, (_, index) => ({
          value: value(from + index),
          partition: (from + index) % PARTITIONS,
        }));
        await plain.sendBatch({ compression: CompressionTypes.Snappy, topicMessages: [{ topic, messages }] });
      }
    }),
  );
}

const bulkTopics: string[] = [];

async function oursBulk(count: number): Promise<Figures> {
  const topic = await topicFor('ours');
  bulkTopics.push(topic);
  function* messages() {
    for (let index = 0; index < count; index++) yield { topic, value: value(index) };
  }
  return withOurs((ours) =>
    timed(count, async () => {
      const report = await ours.sendAll(messages());
      if (report.sent !== count) throw new Error(`Expected ${count} to be sent, got ${report.sent}`);
    }),
  );
}

async function inTurn(
  send: (topic: string, index: number) => Promise<unknown>,
  callers = 1,
): Promise<Figures> {
  const topic = await topicFor('turns');
  await send(topic, 0);
  const each = IN_TURN;
  return timed(each * callers, async () => {
    await Promise.all(
      Array.from({ length: callers }, async () => {
        for (let index = 0; index < each; index++) await send(topic, index);
      }),
    );
  });
}

const results: Record<string, Figures[]> = {};
async function measure(name: string, run: () => Promise<Figures>): Promise<void> {
  const step = progress.step(name);
  const figures = await run();
  (results[name] ??= []).push(figures);
  step.done(`${Math.round(figures.perSecond)} records/s, ${Math.round(figures.memory)} MB`);
}

const perRound = Math.ceil(records / rounds);
const plainOne = (): Promise<Figures> =>
  withPlain((plain) =>
    inTurn((topic, index) => plain.send({ topic, messages: [{ value: value(index), partition: 0 }] })),
  );
const oursOne = (callers: number) => (): Promise<Figures> =>
  withOurs((ours) => inTurn((topic, index) => ours.send({ topic, value: value(index) }), callers));
// The first of each warms up the compiler and the broker.
await plainBulk(20_000);
await oursBulk(20_000);
bulkTopics.length = 0;
for (let round = 0; round < rounds; round++) {
  const ways: (readonly [string, () => Promise<Figures>])[] = [
    ['plain, 1000 at a time', () => plainBulk(perRound)],
    ['ours, as an iterable', () => oursBulk(perRound)],
    ['plain, one in turn', plainOne],
    ['ours, one in turn', oursOne(1)],
    [`ours, ${CALLERS} callers`, oursOne(CALLERS)],
  ];
  for (const [name, run] of round % 2 === 0 ? ways : ways.reverse()) await measure(name, run);
}
const median = (name: string): number => {
  const sorted = results[name]!.map(({ perSecond }) => perSecond).sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
};
let lost = 0;
let doubled = 0;
for (const topic of bulkTopics) {
  const ends = await logEnds(brokers, topic);
  const written = ends.reduce((sum, { offset, low }) => sum + Number(offset - low), 0);
  const counted = await countDoubles(brokers, topic, perRound);
  if (counted.read !== written)
    throw new Error(`Expected ${written} to be read of ${topic}, got ${counted.read}`);
  lost += counted.missing;
  doubled += counted.doubled;
}
const result = {
  ratioToPlain: round(median('ours, as an iterable') / median('plain, 1000 at a time')),
  lost,
  doubled,
  inTurnToPlain: round(median('ours, one in turn') / median('plain, one in turn')),
  callersToPlain: round(median(`ours, ${CALLERS} callers`) / median('plain, one in turn')),
  memoryMb: Math.round(Math.max(...results['ours, as an iterable']!.map(({ memory }) => memory))),
  records: perRound * rounds,
};
if (!values.json) {
  console.log(
    `${result.records} records of ${SIZE} B: ${result.ratioToPlain} of plain kafkajs, 1000 at a time`,
  );
  console.log(
    `one after another: ${result.inTurnToPlain} of plain; ${CALLERS} callers: ${result.callersToPlain}`,
  );
}
console.log(JSON.stringify(result));

function round(ratio: number): number {
  return Math.round(ratio * 100) / 100;
}
