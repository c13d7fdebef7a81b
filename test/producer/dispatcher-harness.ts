import type { ProducerOptions } from '../../bridge/config/types.js';
import { producerOf } from '../../bridge/config/resolve-producer.js';
import { pino } from 'pino';
import { Dispatcher } from '../../bridge/producer/dispatcher.js';
import { KafkaCircuit } from '../../bridge/producer/kafka-circuit.js';
import { NO_OBSERVER, type ProducerObserver } from '../../bridge/producer/observer.js';
import type { Outgoing, SentRecord } from '../../bridge/producer/outgoing.js';
import { Partitioner } from '../../bridge/producer/partitioner.js';
import { encodeBody } from '../../bridge/producer/record-body.js';
import type { SendError } from '../../bridge/producer/send-error.js';
import type { SpillFile } from '../../bridge/producer/spill-file.js';
import type { SenderDouble } from '../helpers/doubles/sender-double.js';

export const SILENT_LOGGER = pino({ level: 'silent' });

export interface SendFields {
  readonly topic?: string;
  readonly partition?: number;
  readonly priority?: Outgoing['priority'];
  readonly key?: string;
}

/** How a send ended, and how often: more than once is a bug. */
export interface Sent {
  readonly value: string;
  readonly topic: string;
  readonly record: Outgoing;
  readonly endings: (SentRecord | SendError)[];
}

/** A dispatcher over doubles, and everything that was sent by it. */
export class Harness {
  readonly sent: Sent[] = [];
  readonly dispatcher: Dispatcher;
  readonly circuit: KafkaCircuit;
  readonly #options;
  #order: number;

  constructor(
    sender: SenderDouble,
    options: ProducerOptions = {},
    more: { readonly spill?: SpillFile; readonly observer?: Partial<ProducerObserver> } = {},
  ) {
    this.#options = producerOf(options, '/');
    this.circuit = new KafkaCircuit(this.#options.circuit);
    this.#order = more.spill?.lastOrder ?? 0;
    this.dispatcher = new Dispatcher({
      sender,
      spill: more.spill,
      circuit: this.circuit,
      partitioner: new Partitioner(),
      producer: this.#options,
      observer: { ...NO_OBSERVER, ...more.observer },
      logger: SILENT_LOGGER,
      metadataMaxAgeMs: 60_000,
    });
  }

  send(value: string, { topic = 't', partition, priority = 'medium', key }: SendFields = {}): Sent {
    const body = encodeBody({
      key: key === undefined ? null : Buffer.from(key),
      value: Buffer.from(value),
      headers: [],
    });
    const now = Date.now();
    const endings: Sent['endings'] = [];
    const record: Outgoing = {
      order: ++this.#order,
      topic,
      partition,
      body,
      bytes: body.length,
      timestampMs: now,
      priority,
      acceptedAtMs: now,
      deadlineMs: now + this.#options.deliveryTimeoutMs,
      ending: {
        delivered: (at) => void endings.push(at),
        failed: (error) => void endings.push(error as SendError),
      },
      waits: false,
      spilledAs: undefined,
      finished: false,
      deadLetterOf: undefined,
    };
    const one = { value, topic, record, endings };
    this.sent.push(one);
    this.dispatcher.accept(record);
    return one;
  }
}

/** `delivered`, the error's code, or with back-pressure its reason; `pending` where it has not ended. */
export function endingOf({ endings }: Sent): string {
  const [first] = endings;
  if (first === undefined) return 'pending';
  if (!('code' in first)) return 'delivered';
  return first.reason ?? first.code;
}
