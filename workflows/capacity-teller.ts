import {
  defaultPayloadConverter,
  proxySinks,
  workflowInfo,
  type ActivateInput,
  type ActivityInput,
  type ConcludeActivationInput,
  type LocalActivityInput,
  type Next,
  type WorkflowInternalsInterceptor,
  type WorkflowOutboundCallsInterceptor,
} from '@temporalio/workflow';
import { parseSlot, SLOT_HEADER, type CapacitySinks } from './capacity/contract.js';
import { capacityIsReleased } from './release-capacity.js';
import { endsRun, UnderWay } from './under-way.js';

const { ktbCapacity } = proxySinks<CapacitySinks>();

/**
 * Tells the worker's process of a record's slot: that its run has begun, and that the slot is released. It does so by a
 * sink, and reads what it tells from the jobs and commands that pass: it adds no command and no turn of a promise, so it
 * can't break workflows that run. What a replay comes across has been told before.
 *
 * The server may refuse the task that ends a run (a signal came meanwhile): then the slot was released a task too early.
 */
export class CapacityTeller implements WorkflowInternalsInterceptor, WorkflowOutboundCallsInterceptor {
  /** Undefined until it is asked for: the memo is there from the run's first job on. `null`: there is none. */
  #known: string | null | undefined;
  readonly #underWay = new UnderWay();
  /** Whether the workflow itself is the record's handler, and not an activity of it, which is timed by itself. */
  readonly #handles: boolean;
  #beganAt = 0;
  #released = false;

  constructor({ handles }: { readonly handles: boolean }) {
    this.#handles = handles;
  }

  activate(input: ActivateInput, next: Next<WorkflowInternalsInterceptor, 'activate'>): void {
    const slot = this.#slot;
    if (slot !== null) {
      // Before the SDK does: it takes the run's first job out of the list.
      for (const job of input.activation.jobs ?? []) {
        if (job.initializeWorkflow) this.#begin(slot);
        this.#underWay.got(job);
      }
    }
    next(input);
  }

  concludeActivation(
    input: ConcludeActivationInput,
    next: Next<WorkflowInternalsInterceptor, 'concludeActivation'>,
  ): ConcludeActivationInput {
    const output = next(input);
    // A query changes nothing, and comes with nothing that does.
    const slot = this.#slot;
    if (slot === null || output.commands.some((command) => command.respondToQuery)) return output;
    for (const command of output.commands) this.#underWay.gave(command);
    const ends = output.commands.some(endsRun);
    // The end is told in any case: the process that should have told of an earlier release may have died with it.
    if (ends || (!this.#released && (capacityIsReleased() || this.#underWay.waitsLong))) {
      this.#release(slot);
    }
    return output;
  }

  scheduleActivity(
    input: ActivityInput,
    next: Next<WorkflowOutboundCallsInterceptor, 'scheduleActivity'>,
  ): Promise<unknown> {
    return next(this.#withSlot(input));
  }

  scheduleLocalActivity(
    input: LocalActivityInput,
    next: Next<WorkflowOutboundCallsInterceptor, 'scheduleLocalActivity'>,
  ): Promise<unknown> {
    return next(this.#withSlot(input));
  }

  get #slot(): string | null {
    this.#known ??= slotOfRun();
    return this.#known;
  }

  /** A replay compares no headers. They bypass codecs, so the slot must be nothing secret: it isn't. */
  #withSlot<T extends ActivityInput | LocalActivityInput>(input: T): T {
    const slot = this.#slot;
    if (slot === null) return input;
    return {
      ...input,
      headers: { ...input.headers, [SLOT_HEADER]: defaultPayloadConverter.toPayload(slot) },
    };
  }

  #begin(slot: string): void {
    this.#beganAt = Date.now();
    if (this.#handles && !workflowInfo().unsafe.isReplaying) ktbCapacity.began(slot);
  }

  #release(slot: string): void {
    const timed = this.#handles && !this.#released;
    this.#released = true;
    if (workflowInfo().unsafe.isReplaying) return;
    ktbCapacity.released(slot, timed ? Date.now() - this.#beganAt : null);
  }
}

/** A run that continues another one has the same memo; the slot was released with the first. */
function slotOfRun(): string | null {
  const { memo, continuedFromExecutionRunId } = workflowInfo();
  const slot = memo?.['slot'];
  return continuedFromExecutionRunId === undefined && parseSlot(slot) ? (slot as string) : null;
}
