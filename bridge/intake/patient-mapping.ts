import { messageOf } from '../errors.js';
import type { SourceRecord } from '../record.js';
import { coordinatesText } from '../temporal/ids.js';
import { delay } from '../timing.js';
import type { LaneStages } from './lane-stages.js';
import type { MappedRecord } from './mapped-record.js';

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5_000;

export interface PatientMappingOptions {
  readonly stages: Pick<LaneStages, 'map' | 'mapJudge' | 'onTrouble' | 'onDeferred'>;
  /** Another record that waits, to see whether this one alone can't be decoded. */
  readonly another: () => SourceRecord | undefined;
  readonly signal: AbortSignal;
}

/** Maps records, and waits out what is systemic: a schema registry that is away. */
export class PatientMapping {
  readonly #options: PatientMappingOptions;

  constructor(options: PatientMappingOptions) {
    this.#options = options;
  }

  /**
   * Undefined after the signal.
   * @param onWait told why it waits, and with undefined that it goes on
   */
  async map(
    record: SourceRecord,
    onWait: (why: string | undefined) => void,
  ): Promise<MappedRecord | undefined> {
    const { stages, signal } = this.#options;
    const id = coordinatesText(record);
    for (let attempt = 1; ; attempt++) {
      if (signal.aborted) return undefined;
      try {
        const mapped = await stages.map(record);
        stages.mapJudge.passed(id);
        return mapped;
      } catch (error) {
        if (attempt === 1) stages.onDeferred?.('decoder');
        if (attempt === 1 || attempt % 10 === 0) stages.onTrouble(record, 'waits for its decoder', error);
        if (stages.mapJudge.unwitnessed(id)) await this.#probe();
        if (stages.mapJudge.failed(id) === 'alone') {
          stages.mapJudge.forget(id);
          return {
            kind: 'quarantine',
            source: record,
            route: undefined,
            reason: 'undecodable',
            message: messageOf(error),
          };
        }
        onWait(messageOf(error));
        await delay(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1)), signal);
        onWait(undefined);
      }
    }
  }

  /** No other record has been decoded meanwhile: another one shows whether it is this one alone. */
  async #probe(): Promise<void> {
    const { stages, another } = this.#options;
    const other = another();
    if (!other) return;
    try {
      await stages.map(other);
      stages.mapJudge.passed('probe');
    } catch {
      stages.mapJudge.failed('probe');
    }
  }
}
