import { Command, Option } from 'commander';
import { BridgeError, messageOf } from '../errors.js';
import { KafkaLog } from '../intake/kafka-log.js';
import type { BridgeClient } from '../operate/bridge-client.js';
import { createRecordViewer } from '../operate/tail/record-view.js';
import { tail, type TailRequest, type TailTools } from '../operate/tail/tail.js';
import { tailFilter } from '../operate/tail/tail-filter.js';
import { TemporalFault } from '../temporal/temporal-port.js';
import { withClientOf } from './client-command.js';
import { configOption, interruption, jsonOption, logLevelOption } from './command.js';
import { brokersOption, kafkaFrom, type KafkaFlags, type KafkaParts } from './kafka-command.js';
import { oneLine, say } from './output.js';
import { printed, TailPrinter } from './tail-printer.js';
import { jsonPointer, namedValues, place, positiveNumber, wholeNumber } from './values.js';

interface TailFlags extends KafkaFlags {
  readonly from?: TailRequest['from'];
  readonly partition?: number;
  readonly follow: boolean;
  readonly limit?: number;
  readonly key?: string;
  readonly header?: Readonly<Record<string, readonly string[]>>;
  readonly where?: Readonly<Record<string, readonly string[]>>;
  readonly eventType?: string;
  readonly outcomes?: boolean;
  readonly wait?: number;
  readonly base64?: boolean;
  readonly json?: boolean;
}

/** Seconds that a record's handling gets while it is followed, where `--wait` says nothing. */
const WAIT_SECONDS = 5;

export function tailCommand(): Command {
  return new Command('tail')
    .description("Show a topic's records, decoded, and what has become of each.")
    .argument('<topic>', 'the topic')
    .addOption(configOption())
    .addOption(brokersOption())
    .addOption(logLevelOption())
    .addOption(
      new Option(
        '--from <place>',
        'earliest, latest, an offset, or a time (2026-11-24T06:00:00Z, 10m); default: latest, with --no-follow earliest',
      ).argParser(begin),
    )
    .option('--follow', 'go on with what comes, which is the default', true)
    .option('--no-follow', 'end where the topic ends now')
    .addOption(new Option('--limit <n>', 'end after so many records').argParser(wholeNumber))
    .addOption(new Option('--partition <n>', 'only this one').argParser(wholeNumber))
    .option('--key <key>', 'only those with this record key, or this idempotency key')
    .addOption(
      new Option('--header <name=value>', 'only those with this header; can be repeated').argParser(
        namedValues,
      ),
    )
    .addOption(
      new Option(
        '--where <pointer=value>',
        'only those with this value at a JSON pointer, as /customer/id=17; can be repeated',
      ).argParser(pointers),
    )
    .option('--event-type <type>', 'only those of this type')
    .option('--outcomes', 'ask Temporal what has become of each')
    .addOption(
      new Option(
        '--wait <seconds>',
        `how long the outcome of one that is not done is waited for (default: ${WAIT_SECONDS}, with --no-follow 0)`,
      ).argParser(positiveNumber),
    )
    .option('--base64', 'values as base64, and not decoded: of these ktb produce makes the same bytes')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
It joins no group and commits nothing. Values are decoded as the route of the topic does it; without a configuration, or a
route, they are JSON or text. A bad record is shown with what is wrong. Outcomes: waiting, running, completed, failed,
canceled, quarantined, through, duplicate, foreign, filtered, expired, unknown.

Examples:
  ktb tail orders
  ktb tail orders --from 10m --where /customer/id=17 --outcomes
  ktb tail orders --from earliest --no-follow --event-type order.placed --json | jq .value.total
  ktb tail orders --brokers localhost:9092 --partition 3 --from 1400 --limit 5`,
    )
    .action(async (topic: string, flags: TailFlags) => {
      const parts = await kafkaFrom(flags);
      if (!flags.outcomes) return show(topic, flags, parts);
      const { config } = parts;
      if (!config)
        throw new BridgeError(
          'KTB_USAGE',
          'Expected a configuration for `--outcomes`, which says where Temporal is, got `--brokers` alone',
        );
      await withClientOf({ ...config, kafka: { ...config.kafka, ...parts.kafka } }, flags, async (client) =>
        show(topic, flags, parts, client),
      );
    });
}

async function show(
  topic: string,
  flags: TailFlags,
  parts: KafkaParts,
  client?: BridgeClient,
): Promise<void> {
  using interrupted = interruption();
  const stop = new AbortController();
  const end = (): void => stop.abort();
  interrupted.signal.addEventListener('abort', end);
  const output = printed(end);
  const printer = new TailPrinter({ json: flags.json ?? false, base64: flags.base64 ?? false });
  const log = new KafkaLog(parts.kafka, parts.logger, parts.maxBatchBytes);
  const { follow, limit, partition, key, header: headers, where, eventType } = flags;
  const filter = {
    ...(key === undefined ? {} : { key }),
    ...(headers === undefined ? {} : { headers }),
    ...(where === undefined ? {} : { where }),
    ...(eventType === undefined ? {} : { eventType }),
  };
  const request: TailRequest = {
    topic,
    from: flags.from ?? (follow ? 'latest' : 'earliest'),
    follow,
    matches: tailFilter(filter),
    ...(limit === undefined ? {} : { limit }),
    ...(partition === undefined ? {} : { partition }),
  };
  const tools: TailTools = {
    log,
    view: createRecordViewer(parts.config),
    ...(client ? { outcome: outcomes(client, follow) } : {}),
  };
  const options = {
    signal: stop.signal,
    outcomeWaitMs: 1000 * (flags.wait ?? (follow ? WAIT_SECONDS : 0)),
    onAway: (why: string | undefined) =>
      say(why === undefined ? 'Kafka is back.' : oneLine(`Kafka is away: ${why}; trying again`)),
  };
  try {
    for await (const { view, outcome } of tail(tools, request, options))
      await output.write(printer.text(view, outcome));
  } finally {
    await log.close();
  }
  if (interrupted.signal.aborted) process.exitCode = 130;
}

/** While one is followed, an outage of Temporal is said at each record, and ends nothing. */
function outcomes(client: BridgeClient, follow: boolean): NonNullable<TailTools['outcome']> {
  return async ({ record, mapped, error = '' }) => {
    if (!mapped) return { state: 'unknown', reason: error };
    try {
      return await client.outcome(record, mapped);
    } catch (fault) {
      if (!follow || !(fault instanceof TemporalFault)) throw fault;
      return { state: 'unknown', reason: `Temporal does not tell: ${messageOf(fault)}` };
    }
  };
}

/** `-10m` is meant as `10m`: so long ago. */
function begin(text: string): TailRequest['from'] {
  if (text === 'earliest' || text === 'latest') return text;
  return place(text.replace(/^-(?=\d)/, ''));
}

function pointers(
  text: string,
  before?: Readonly<Record<string, readonly string[]>>,
): Readonly<Record<string, readonly string[]>> {
  const all = namedValues(text, before);
  for (const pointer of Object.keys(all)) jsonPointer(pointer);
  return all;
}
