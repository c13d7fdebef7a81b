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
const SLICE = 25;
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

/** What callers who await each of their sends get through. */
async function calls(
  send: (topic: string, index: number) => Promise<unknown>,
  callers: number,
): Promise<Figures> {
  const topic = await topicFor('calls');
  await send(topic, 0);
  return timed(IN_TURN * callers, async () => {
    await Promise.all(
      Array.from({ length: callers }, async () => {
        for (let index = 0; index < IN_TURN; index++) await send(topic, index);
      }),
    );
  });
}

/** One caller each, a few sends of this and a few of that: a moment's load of the machine meets both. */
async function inTurns(): Promise<readonly [Figures, Figures]> {
  const topic = await topicFor('turns');
  return withPlain((plain) =>
    withOurs(async (ours) => {
      const ways = [
        (index: number): Promise<unknown> =>
          plain.send({
            topic,
            compression: CompressionTypes.Snappy,
            messages: [{ value: value(index), partition: index % PARTITIONS }],
          }),
        (index: number): Promise<unknown> =>
          ours.send({ topic, value: value(index), partition: index % PARTITIONS }),
      ];
      const took = [0, 0];
      for (let slice = 0; slice < (2 * IN_TURN) / SLICE; slice++) {
        const which = slice % 2;
        const began = performance.now();
        for (let index = 0; index < SLICE; index++) await ways[which]!(index);
        took[which]! += performance.now() - began;
      }
      const { rss } = process.memoryUsage();
      const figures = (ms: number): Figures => ({
        perSecond: (IN_TURN / ms) * 1_000,
        memory: rss / 1024 ** 2,
      });
      return [figures(took[0]!), figures(took[1]!)];
    }),
  );
}

const results: Record<string, Figures[]> = {};
async function measure(names: readonly string[], run: () => Promise<readonly Figures[]>): Promise<void> {
  const step = progress.step(names.join(' and '));
  const figures = await run();
  for (const [index, name] of names.entries()) (results[name] ??= []).push(figures[index]!);
  step.done(
    figures.map(({ perSecond, memory }) => `${Math.round(perSecond)}/s, ${Math.round(memory)} MB`).join('; '),
  );
}

const PLAIN_BULK = 'plain, 1000 at a time';
const OURS_BULK = 'ours, as an iterable';
const PLAIN_ONE = 'plain, one in turn';
const OURS_ONE = 'ours, one in turn';
const OURS_CALLERS = `ours, ${CALLERS} callers`;

const perRound = Math.ceil(records / rounds);
const oursCallers = (): Promise<Figures> =>
  withOurs((ours) => calls((topic, index) => ours.send({ topic, value: value(index) }), CALLERS));
// The first of each warms up the compiler and the broker.
await plainBulk(20_000);
await oursBulk(20_000);
await inTurns();
bulkTopics.length = 0;
for (let round = 0; round < rounds; round++) {
  const ways: (readonly [readonly string[], () => Promise<readonly Figures[]>])[] = [
    [[PLAIN_BULK], async () => [await plainBulk(perRound)]],
    [[OURS_BULK], async () => [await oursBulk(perRound)]],
    [[PLAIN_ONE, OURS_ONE], inTurns],
    [[OURS_CALLERS], async () => [await oursCallers()]],
  ];
  for (const [names, run] of round % 2 === 0 ? ways : ways.reverse()) await measure(names, run);
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
const memory = results[OURS_BULK]!.map((figures) => figures.memory);
const result = {
  ratioToPlain: round(median(OURS_BULK) / median(PLAIN_BULK)),
  lost,
  doubled,
  inTurnToPlain: round(median(OURS_ONE) / median(PLAIN_ONE)),
  callersToPlain: round(median(OURS_CALLERS) / median(PLAIN_ONE)),
  memoryMb: Math.round(Math.max(...memory)),
  /** Of the last round over the first: nothing stays. */
  memoryGrowthMb: Math.round(memory.at(-1)! - memory[0]!),
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
