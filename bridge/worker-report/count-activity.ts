import type { Context } from '@temporalio/activity';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { onReleaseCapacity } from '../../activities/index.js';
import { parseSlot, SLOT_HEADER } from '../../workflows/capacity/contract.js';
import type { CapacityLedger, Slot } from './capacity-ledger.js';
import { retryWaitMs } from './retry-wait.js';
import { steadyNow } from './steady-now.js';

/** An attempt that begins later than this after the one before holds no slot meanwhile. */
const LONG_WAIT_MS = 10_000;

/**
 * Around every activity: tells the ledger that it runs, for which record, how long that waited for a worker, and, where
 * the activity is the record's handler, how long it took. Outermost: it sees failures as the server will.
 */
export class CountActivity implements ActivityInboundCallsInterceptor {
  readonly #context: Context;
  readonly #ledger: CapacityLedger;
  readonly #handles: boolean;

  constructor(context: Context, ledger: CapacityLedger, { handles }: { readonly handles: boolean }) {
    this.#context = context;
    this.#ledger = ledger;
    this.#handles = handles;
  }

  async execute(
    input: ActivityExecuteInput,
    next: Next<ActivityInboundCallsInterceptor, 'execute'>,
  ): Promise<unknown> {
    const slot = slotIn(input.headers[SLOT_HEADER]);
    const { info } = this.#context;
    const beganAt = performance.now();
    let responded = !this.#handles || slot === undefined;
    const respond = () => {
      if (!responded) this.#ledger.responded(performance.now() - beganAt);
      responded = true;
    };
    const release = () => {
      if (slot === undefined) return;
      respond();
      if (this.#handles) this.#ledger.released(slot);
      else this.#ledger.releasedEarly(slot);
    };
    onReleaseCapacity(this.#context, release);
    // The worker's clock against the server's: the capacity workflow knows by how much they differ.
    if (slot && !info.isLocal) this.#ledger.waited(steadyNow() - info.currentAttemptScheduledTimestampMs);
    this.#ledger.callBegan(slot);
    try {
      const result = await next(input);
      respond();
      return result;
    } catch (error) {
      if (isLater(error)) responded = true;
      if ((retryWaitMs(error, info, steadyNow()) ?? 0) > LONG_WAIT_MS) release();
      respond();
      throw error;
    } finally {
      this.#ledger.callEnded(slot);
    }
  }
}

/** The function has returned, and the activity goes on somewhere else. */
function isLater(error: unknown): boolean {
  return error instanceof Error && error.name === 'CompleteAsyncError';
}

/** A header can be anybody's. */
function slotIn(header: Payload | undefined): Slot | undefined {
  if (!header) return undefined;
  try {
    return parseSlot(defaultPayloadConverter.fromPayload(header));
  } catch {
    return undefined;
  }
}
