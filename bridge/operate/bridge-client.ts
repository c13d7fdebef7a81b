import type { ResolvedConfig } from '../config/resolved.js';
import { scopeOf } from '../delivery/record-start.js';
import { KafkaReader } from '../intake/kafka-reader.js';
import { createRecordMapper, type RecordMapper } from '../intake/record-mapper.js';
import { createLogger, type Logger } from '../observe/logger.js';
import type { OperatorPort } from '../temporal/operator-port.js';
import { SdkOperatorPort } from '../temporal/sdk-operator-port.js';
import { SdkTemporalPort } from '../temporal/sdk-temporal-port.js';
import type { TemporalPort } from '../temporal/temporal-port.js';
import { QUARANTINE_WORKFLOW } from '../../workflows/contract.js';
import {
  byReason,
  deadLetterOf,
  deadLetters,
  type DeadLetter,
  type DeadLetterFilter,
  type ReasonGroup,
} from './dead-letters.js';
import type { KafkaView } from './kafka-view.js';
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
import { executionsOf, recordStatus, type RecordStatus } from './record-status.js';
import { replay, type ReplayOptions, type ReplayReport } from './replay.js';
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
  };
}

/**
 * What operators ask and do: the library behind `ktb status`, `failed`, `replay`, `quarantine` and `reprocess`, which only
 * print what it returns. It connects when it is first asked.
 */
export class BridgeClient {
  readonly #config: ResolvedConfig;
  readonly #operator: OperatorPort;
  readonly #temporal: TemporalPort;
  readonly #kafka: KafkaView;
  readonly #mapper: RecordMapper;
  readonly #logger: Logger;
  #closing: Promise<void> | undefined;

  constructor(config: ResolvedConfig, options: BridgeClientOptions = {}) {
    this.#config = config;
    const logger = (this.#logger = options.logger ?? createLogger({ name: 'client', level: 'silent' }));
    this.#operator = options.ports?.operator ?? new SdkOperatorPort(config.temporal);
    this.#temporal = options.ports?.temporal ?? new SdkTemporalPort(config.temporal);
    this.#kafka = options.ports?.kafka ?? new KafkaReader(config, logger);
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
    const tools = {
      port: this.#operator,
      check: (cases: AsyncIterable<ReplayCase>) => this.#replayed(cases),
      taskQueue: this.#config.temporal.taskQueue,
    };
    if (!('keys' in selector)) {
      const { signal } = options;
      const letters = this.failed({ ...selector, ...(signal === undefined ? {} : { signal }) });
      return replay(tools, letters, [], options);
    }
    const notFound: string[] = [];
    return replay(tools, this.#lettersOf(selector.keys, notFound), notFound, options);
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

  /** Records in quarantine. */
  readonly quarantine = {
    /** Newest first. @throws TemporalFault */
    list: (filter: QuarantineFilter = {}): AsyncIterable<QuarantinedRecord> =>
      quarantinedRecords(this.#operator, this.#config, filter),
    /** @param which a workflow ID, or `topic/partition/offset` @throws BridgeError `KTB_USAGE` */
    show: async (which: string): Promise<QuarantinedDetail> =>
      quarantinedRecord(this.#operator, this.#config, await this.#quarantineId(which)),
    /** Sends them through once more, as they are. */
    retry: async (which: readonly string[], options?: ReplayOptions): Promise<ReplayReport> => {
      const keys = await Promise.all(which.map((one) => this.#quarantineId(one)));
      return this.replay({ keys }, { ...options, reapply: 'none' });
    },
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
    ]).then(() => undefined);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
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

  async *#lettersOf(keys: readonly string[], notFound: string[]): AsyncIterable<DeadLetter> {
    for (const key of keys) {
      let found = false;
      const all = await executionsOf(this.#sources, this.#config, key);
      // A key that was handled may stand in quarantine too, as a conflict: that is another matter.
      const handled = all.filter(({ workflowType }) => workflowType !== QUARANTINE_WORKFLOW);
      for (const execution of handled.length > 0 ? handled : all) {
        const letter = await deadLetterOf(this.#operator, this.#config, execution);
        if (!letter) continue;
        found = true;
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
