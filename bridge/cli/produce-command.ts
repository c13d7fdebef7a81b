import { createReadStream, existsSync } from 'node:fs';
import { access, constants, rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { Command, Option } from 'commander';
import { BridgeError } from '../errors.js';
import { KafkaLog } from '../intake/kafka-log.js';
import { terminalProgress, type ProgressStep } from '../observe/progress.js';
import { lineReader } from '../operate/produce/line-record.js';
import { produceLines, type ProduceReport } from '../operate/produce/produce-lines.js';
import { StateFile } from '../operate/produce/state-file.js';
import { NO_OBSERVER } from '../producer/observer.js';
import { Producer } from '../producer/producer.js';
import { configOption, FOUND_SOMETHING, interruption, jsonOption, logLevelOption } from './command.js';
import { brokersOption, kafkaFrom, type KafkaFlags, type KafkaParts } from './kafka-command.js';
import { oneLine, print, printJson, say } from './output.js';
import { jsonPointer, namedValues, positiveNumber } from './values.js';

interface ProduceFlags extends KafkaFlags {
  readonly file?: string;
  /** `false`: none. */
  readonly resume?: string | false;
  readonly restart?: boolean;
  readonly raw?: boolean;
  readonly keyField?: string;
  readonly header?: Readonly<Record<string, readonly string[]>>;
  readonly partition: boolean;
  readonly skipBad?: boolean;
  readonly rate?: number;
  readonly json?: boolean;
}

/** Kafka may be away for as long as somebody waits: a line is not given up, and Ctrl-C ends it. */
const PATIENCE_MS = 24 * 60 * 60 * 1000;
const CLOSE_MS = 5_000;
/** So many lines that are left out are said one by one. */
const SAID = 20;

export function produceCommand(): Command {
  return new Command('produce')
    .description('Send a file or a pipe to a topic, a record a line, and go on where it was interrupted.')
    .argument('<topic>', 'the topic, which must be there')
    .addOption(configOption())
    .addOption(brokersOption())
    .addOption(logLevelOption())
    .option('--file <file>', 'what is sent (default: standard input)')
    .option(
      '--resume <file>',
      'where it is kept how far it has come (default: <file>.<topic>.ktb.json; for a pipe none)',
    )
    .option('--no-resume', 'keep it nowhere')
    .option('--restart', 'send from the first line, under new keys, whatever was sent before')
    .option('--raw', 'a line is the value itself, as it is')
    .addOption(
      new Option(
        '--key-field <pointer>',
        'a JSON pointer to the key in the value, for lines without a key',
      ).argParser(jsonPointer),
    )
    .addOption(
      new Option('--header <name=value>', 'of lines that have no such header; can be repeated').argParser(
        namedValues,
      ),
    )
    .option('--no-partition', 'pass over the partition of the lines: the key decides')
    .option('--skip-bad', 'leave out bad lines, and what Kafka refuses (default: the first one ends it)')
    .addOption(new Option('--rate <n>', 'so many records in a second').argParser(positiveNumber))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
A line is a JSON object: { "key", "value", "headers", "partition", "timestamp" }, all but the value may be missing. The value
is any JSON, sent as it stands there; null is a tombstone. keyBase64, valueBase64 and headersBase64 are for other bytes.

The same command again goes on where it was interrupted, by Ctrl-C or a kill: what is in the topic is not sent again. A line
without an idempotency-key gets one of its run and its number. Exit code 3 where lines were left out.

Examples:
  ktb produce orders --file orders.jsonl
  ktb produce orders --file orders.ndjson --raw --key-field /orderId --header event-type=order.placed --rate 500
  ktb tail orders --from earliest --no-follow --base64 --json | ktb produce copy --brokers localhost:9092`,
    )
    .action(async (topic: string, flags: ProduceFlags) => {
      const parts = await kafkaFrom(flags);
      const input = await inputOf(flags);
      using interrupted = interruption();
      const path = statePath(topic, flags);
      const state = path === undefined ? undefined : await StateFile.open(path);
      try {
        if (state && flags.restart) await rm(state.path, { force: true });
        await produce({ topic, flags, parts, input, state, signal: interrupted.signal });
      } finally {
        await state?.close();
      }
    });
}

interface Run {
  readonly topic: string;
  readonly flags: ProduceFlags;
  readonly parts: KafkaParts;
  readonly input: Readable;
  readonly state: StateFile | undefined;
  readonly signal: AbortSignal;
}

async function produce({ topic, flags, parts, input, state, signal }: Run): Promise<void> {
  const name = flags.file ?? 'standard input';
  const log = new KafkaLog(parts.kafka, parts.logger, parts.maxBatchBytes);
  const shown = new ShownProgress(`Sending ${name} to ${topic}`);
  const producer = producerOf(parts, shown);
  const { raw = false, keyField, header: headers = {}, partition: partitions, skipBad = false } = flags;
  const read = lineReader({ raw, headers, partitions, ...(keyField === undefined ? {} : { keyField }) });
  const began = performance.now();
  let skipped = 0;
  try {
    const report = await produceLines(
      { producer, log, ...(state ? { state } : {}) },
      { topic, input, name, read },
      {
        signal,
        skipBad,
        ...(flags.rate === undefined ? {} : { perSecond: flags.rate }),
        onSkipped: (line, why) => {
          if (++skipped <= SAID) say(oneLine(`${name}, line ${line} is left out: ${why}`));
          else if (skipped === SAID + 1) say('Further lines that are left out are only counted.');
        },
        onGone: (partitions) =>
          say(
            `Records of partition ${partitions.join(', ')} are gone: lines that stood there are sent again.`,
          ),
        onProgress: (now) => shown.update(now),
      },
    );
    shown.end(report);
    const elapsedMs = Math.round(performance.now() - began);
    if (flags.json) printJson({ topic, ...report, elapsedMs, state: state?.path });
    else show(report);
    if (!report.ended) {
      process.exitCode = 130;
      sayHowItGoesOn(state);
    } else if (skipped > 0) process.exitCode = FOUND_SOMETHING;
  } catch (error) {
    shown.end();
    if (state && existsSync(state.path)) sayHowItGoesOn(state);
    throw error;
  } finally {
    await producer.close({ timeoutMs: CLOSE_MS });
    await log.close();
  }
}

function producerOf({ kafka, producer, logLevel, logger }: KafkaParts, shown: ShownProgress): Producer {
  const patient = {
    ...producer,
    deliveryTimeoutMs: PATIENCE_MS,
    // Refused at the door, a line would have to be sent again behind later ones of its partition.
    circuit: { ...producer.circuit, failures: Number.MAX_SAFE_INTEGER },
    // The line stands in the input: it needs no other place.
    deadLetterSuffix: false as const,
    spill: undefined,
  };
  const observer = { ...NO_OBSERVER, retried: () => shown.retried() };
  return new Producer({ kafka, producer: patient, logLevel }, { observer }, { logger });
}

function statePath(topic: string, { file, resume }: ProduceFlags): string | undefined {
  if (resume === false) return undefined;
  return resume ?? (file === undefined ? undefined : `${file}.${topic}.ktb.json`);
}

async function inputOf({ file }: ProduceFlags): Promise<Readable> {
  if (file === undefined) {
    if (process.stdin.isTTY)
      throw new BridgeError('KTB_USAGE', 'Expected `--file`, or lines from a pipe, got a terminal');
    return process.stdin;
  }
  try {
    await access(file, constants.R_OK);
  } catch (error) {
    throw new BridgeError(
      'KTB_USAGE',
      `Expected \`--file\` to be a file that can be read, got ${file}: ${(error as NodeJS.ErrnoException).code}`,
      { cause: error },
    );
  }
  return createReadStream(file);
}

function show({ sent, before, found, skipped, lines }: ProduceReport): void {
  const row = (count: number, what: string): void => print(`${String(count).padStart(8)}  ${what}`);
  row(sent, `sent, of ${lines} lines`);
  if (before > 0)
    row(before, `sent by earlier runs${found > 0 ? `, ${found} of them found in the topic` : ''}`);
  if (skipped > 0) row(skipped, 'left out');
}

function sayHowItGoesOn(state: StateFile | undefined): void {
  if (state) say(`The same command goes on from there: ${state.path} says how far it has come.`);
  else say('There is no state file (--resume): the same command begins anew.');
}

/** How fast it goes, and whether Kafka takes it. */
class ShownProgress {
  readonly #step: ProgressStep;
  #at = performance.now();
  #sent = 0;
  #perSecond = 0;
  #retries = 0;
  #detail = '';

  constructor(title: string) {
    this.#step = terminalProgress().step(title);
  }

  retried(): void {
    this.#retries++;
  }

  update({ sent, skipped }: ProduceReport): void {
    const now = performance.now();
    if (sent > this.#sent) this.#retries = 0;
    if (now - this.#at >= 1_000) {
      this.#perSecond = ((sent - this.#sent) / (now - this.#at)) * 1_000;
      this.#at = now;
      this.#sent = sent;
    }
    const parts = [`${sent} acknowledged`, `${Math.round(this.#perSecond)}/s`];
    if (skipped > 0) parts.push(`${skipped} left out`);
    if (this.#retries > 0) parts.push('Kafka does not take them: trying again');
    this.#detail = parts.join(', ');
    this.#step.update(this.#detail);
  }

  end(report?: ProduceReport): void {
    if (report?.ended) this.#step.done(`${report.sent} acknowledged`);
    else this.#step.fail(report ? 'interrupted' : this.#detail);
  }
}
