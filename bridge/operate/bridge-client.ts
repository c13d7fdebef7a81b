import type { ResolvedConfig } from '../config/resolved.js';
import { scopeOf } from '../delivery/record-start.js';
import { KafkaReader } from '../intake/kafka-reader.js';
import { createRecordMapper, type RecordMapper } from '../intake/record-mapper.js';
import { QUARANTINE_WORKFLOW } from '../../workflows/contract.js';
import { createLogger, type Logger } from '../observe/logger.js';
import type { InspectedExecution, OperatorPort } from '../temporal/operator-port.js';
import type { CapacityPort } from '../temporal/capacity-port.js';
import { SdkCapacityPort } from '../temporal/sdk-capacity-port.js';
import { SdkOperatorPort } from '../temporal/sdk-operator-port.js';
import { SdkTemporalPort } from '../temporal/sdk-temporal-port.js';
import type { TemporalPort } from '../temporal/temporal-port.js';
import type { CapacitySettings } from '../../workflows/capacity/contract.js';
import { decide, lookAtCapacity, pauseScope, type CapacityLook, type Decision } from './capacity.js';
import {
  byReason,
  deadLetterOf,
  deadLetters,
  type DeadLetter,
  type DeadLetterFilter,
  type ReasonGroup,
} from './dead-letters.js';
import type { KafkaView } from '../intake/kafka-view.js';
import {
  quarantinedRecord,
  quarantinedRecords,
  resolveQuarantined,
  type QuarantinedDetail,
  type QuarantinedRecord,
  type QuarantineFilter,
  type ResolveAction,
  type ResolutionOptions,
} from './quarantine.js';
import type { MappedRecord } from '../intake/mapped-record.js';
import type { SourceRecord } from '../record.js';
import { outcomeOf, type RecordOutcome } from './record-outcome.js';
import { executionsOf, recordStatus, type RecordStatus } from './record-status.js';
import { replay } from './replay.js';
import { whoAmI } from './replay-run.js';
import type { ReplayOptions, ReplayReport } from './replay-report.js';
import type { ReplayCase, ReplayVerdict } from './replay-check.js';
import {
  reprocess,
  type ReprocessOptions,
  type ReprocessReport,
  type ReprocessRequest,
} from './reprocess.js';

/** Which dead letters are replayed: by key (or place, or workflow ID), or all that match a filter. */
export type ReplaySelector = { readonly keys: readonly string[] } | DeadLetterFilter;

export interface BridgeClientOptions {
  readonly logger?: Logger;
  /** Ports to use instead of the real ones. */
  readonly ports?: {
    readonly operator?: OperatorPort;
    readonly temporal?: TemporalPort;
    readonly kafka?: KafkaView;
    readonly capacity?: CapacityPort;
  };
}

/**
 * What operators ask and do: the library behind `ktb status`, `failed`, `replay`, `quarantine`, `reprocess`, `capacity`,
 * `pause`, `resume` and `limit`, which only print what it returns. It connects when it is first asked.
 */
export class BridgeClient {
  readonly #config: ResolvedConfig;
  readonly #operator: OperatorPort;
  readonly #temporal: TemporalPort;
  readonly #kafka: KafkaView;
  readonly #capacity: CapacityPort;
  readonly #mapper: RecordMapper;
  readonly #logger: Logger;
  #closing: Promise<void> | undefined;

  constructor(config: ResolvedConfig, options: BridgeClientOptions = {}) {
    this.#config = config;
    const logger = (this.#logger = options.logger ?? createLogger({ name: 'client', level: 'silent' }));
    this.#operator = options.ports?.operator ?? new SdkOperatorPort(config.temporal);
    this.#temporal = options.ports?.temporal ?? new SdkTemporalPort(config.temporal);
    this.#kafka = options.ports?.kafka ?? new KafkaReader(config, logger);
    this.#capacity = options.ports?.capacity ?? new SdkCapacityPort(config.temporal);
    this.#mapper = createRecordMapper(config);
  }

  /**
   * What became of a record.
   * @param key its idempotency key, `topic/partition/offset`, or a workflow ID
   * @throws TemporalFault
   */
  status(key: string): Promise<RecordStatus> {
    return recordStatus(this.#sources, this.#config, key);
  }

  /** What has become of a record that was read; for `ktb tail`. @throws TemporalFault */
  outcome(record: SourceRecord, mapped: MappedRecord): Promise<RecordOutcome> {
    return outcomeOf(this.#sources, this.#config, record, mapped);
  }

  /** Dead letters, newest first; quarantine has its own list. @throws TemporalFault */
  failed(filter: DeadLetterFilter = {}): AsyncIterable<DeadLetter> {
    return deadLetters(this.#operator, this.#config, filter);
  }

  /** Dead letters by reason, the most frequent first. @throws TemporalFault */
  failedByReason(filter: DeadLetterFilter = {}): Promise<readonly ReasonGroup[]> {
    return byReason(this.failed(filter));
  }

  /**
   * Resets dead letters, so that they run again: from the step that failed, or from the start. Of records in quarantine
   * that are named by key it sends them through again.
   * @throws TemporalFault
   */
  async replay(selector: ReplaySelector, options: ReplayOptions = {}): Promise<ReplayReport> {
    if ('keys' in selector) return this.#replayKeys(selector.keys, options);
    const { signal } = options;
    const letters = this.failed({ ...selector, ...(signal === undefined ? {} : { signal }) });
    return replay(this.#replayTools, letters, [], options);
  }

  /** Reads a stretch of a topic again, on purpose, under keys of its own. @throws BridgeError */
  reprocess(request: ReprocessRequest, options?: ReprocessOptions): Promise<ReprocessReport> {
    return reprocess(
      {
        port: this.#temporal,
        kafka: this.#kafka,
        mapper: this.#mapper,
        scope: scopeOf(this.#config),
      },
      request,
      options,
    );
  }

  /** What the workers can take, who has how much of it, and what holds it back. @throws TemporalFault */
  capacity(): Promise<CapacityLook> {
    const [capacity, temporal, operator] = [this.#capacity, this.#temporal, this.#operator];
    return lookAtCapacity({ capacity, temporal, operator }, this.#config);
  }

  /**
   * Nothing more is started: of this subscription, or of one of its routes. What runs goes on; the rest waits in Kafka, over
   * restarts of bridges and workers too, until it is resumed.
   * @throws BridgeError `KTB_USAGE` for a route that is not there, `KTB_TEMPORAL` where no worker answers
   * @throws TemporalFault
   */
  async pause(route?: string, decision: Decision = {}): Promise<CapacitySettings> {
    return this.#decide({ action: 'pause', scope: pauseScope(this.#config, route) }, decision);
  }

  /** Ends a pause of the subscription, or of the route; each has its own. @throws as {@link pause} */
  async resume(route?: string, decision: Decision = {}): Promise<CapacitySettings> {
    return this.#decide({ action: 'resume', scope: pauseScope(this.#config, route) }, decision);
  }

  /**
   * How many records may be in work, for all subscriptions on the task queue.
   * @param limit a whole number of at least 1, also over `capacity.maximum`; or `'auto'`: it moves by itself again
   * @throws as {@link pause}
   */
  async setLimit(limit: number | 'auto', decision: Decision = {}): Promise<CapacitySettings> {
    return this.#decide({ action: 'limit', limit: limit === 'auto' ? null : limit }, decision);
  }

  /** Records in quarantine. */
  readonly quarantine = {
    /** Newest first. @throws TemporalFault */
    list: (filter: QuarantineFilter = {}): AsyncIterable<QuarantinedRecord> =>
      quarantinedRecords(this.#operator, this.#config, filter),
    /** @param which a workflow ID, or `topic/partition/offset` @throws BridgeError `KTB_USAGE` */
    show: async (which: string): Promise<QuarantinedDetail> =>
      quarantinedRecord(this.#operator, this.#config, await this.#quarantineId(which)),
    /** Sends them through once more, as they are; a dead letter of the same key stays as it is. */
    retry: (which: readonly string[], options?: ReplayOptions): Promise<ReplayReport> =>
      this.#replayKeys(which, { ...options, reapply: 'none' }, inQuarantine),
    /** Decides about one: drop it, start it under another key, or replace its value. @throws BridgeError `KTB_USAGE` */
    resolve: async (
      which: string,
      action: ResolveAction,
      options: ResolutionOptions,
    ): Promise<{ readonly workflowId: string; readonly runId: string }> =>
      resolveQuarantined(this.#operator, this.#config, await this.#quarantineId(which), action, options),
  };

  /** Again: the same promise. */
  close(): Promise<void> {
    this.#closing ??= Promise.allSettled([
      this.#operator.close(),
      this.#temporal.close(),
      this.#kafka.close(),
      this.#capacity.close(),
    ]).then(() => undefined);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #decide(
    change: { action: 'pause' | 'resume'; scope: string } | { action: 'limit'; limit: number | null },
    { reason: why = '', who = whoAmI() }: Decision,
  ): Promise<CapacitySettings> {
    const sources = { capacity: this.#capacity, temporal: this.#temporal };
    return decide(sources, this.#config, { ...change, who, why });
  }

  /** Loaded when it is needed: the SDK's worker is native code, and nothing else here needs it. */
  async *#replayed(cases: AsyncIterable<ReplayCase>): AsyncIterable<ReplayVerdict> {
    const { replayPrefixes } = await import('./replay-check.js');
    yield* replayPrefixes(this.#config, cases, this.#logger);
  }

  get #sources() {
    return {
      port: this.#operator,
      kafka: this.#kafka,
      mapper: this.#mapper,
      searchAttributes: async () => (await this.#temporal.capabilities()).searchAttributes,
    };
  }

  get #replayTools() {
    return {
      port: this.#operator,
      check: (cases: AsyncIterable<ReplayCase>) => this.#replayed(cases),
      taskQueue: this.#config.temporal.taskQueue,
    };
  }

  #replayKeys(
    keys: readonly string[],
    options: ReplayOptions,
    pick: Choice = handledFirst,
  ): Promise<ReplayReport> {
    const notFound: string[] = [];
    return replay(this.#replayTools, this.#lettersOf(keys, pick, notFound), notFound, options);
  }

  async *#lettersOf(keys: readonly string[], pick: Choice, notFound: string[]): AsyncIterable<DeadLetter> {
    // A key may mean several, and a list may name one twice: each is replayed once.
    const given = new Set<string>();
    for (const key of new Set(keys)) {
      let found = false;
      for (const execution of pick(await executionsOf(this.#sources, this.#config, key))) {
        const letter = await deadLetterOf(this.#operator, this.#config, execution);
        if (!letter) continue;
        found = true;
        if (given.has(letter.workflowId)) continue;
        given.add(letter.workflowId);
        yield letter;
      }
      if (!found) notFound.push(key);
    }
  }

  async #quarantineId(which: string): Promise<string> {
    const found = await executionsOf(this.#sources, this.#config, which);
    return found.find(({ workflowType }) => workflowType === QUARANTINE_WORKFLOW)?.workflowId ?? which;
  }
}

/** Which of the executions that a key means are meant. */
type Choice = (found: readonly InspectedExecution[]) => readonly InspectedExecution[];

const inQuarantine: Choice = (found) =>
  found.filter(({ workflowType }) => workflowType === QUARANTINE_WORKFLOW);

/** A key that was handled may stand in quarantine too, as a conflict: that is another matter. */
const handledFirst: Choice = (found) => {
  const handled = found.filter(({ workflowType }) => workflowType !== QUARANTINE_WORKFLOW);
  return handled.length > 0 ? handled : found;
};
