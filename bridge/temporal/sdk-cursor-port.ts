import { randomUUID } from 'node:crypto';
import { status as grpcStatus } from '@grpc/grpc-js';
import { isGrpcServiceError, type Connection } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { temporal as api } from '@temporalio/proto';
import type { ResolvedConfig } from '../config/resolved.js';
import type { CursorPort } from './cursor-port.js';
import { faultOf } from './faults.js';
import { cursorScheduleId } from './ids.js';
import { lazyConnection } from './sdk-temporal-port.js';
import { clientIdentity } from './worker-identity.js';

const CALL_TIMEOUT_MS = 10_000;

/** It is never started: the schedule is paused and has no times. Started by hand, it ends by itself. */
const NEVER = 'ktbKept';
const NEVER_SECONDS = 60;

const NOTES =
  'Kept by the bridge: up to when dead letters are published to their topics (docs/dead-letters.md). It starts nothing.';

type Schedule = api.api.schedule.v1.ISchedule;

/**
 * The state as the arguments of a paused schedule that starts nothing. A schedule outlives the namespace's retention,
 * needs no worker (a workflow would wait for one of the right version to be asked or told anything), grows no history of
 * ours, and is changed by compare and set. Its arguments are plain JSON, past the data converter: route IDs, times and runs.
 */
export class SdkCursorPort implements CursorPort {
  readonly #connection: Connection;
  readonly #namespace: string;
  readonly #scheduleId: string;
  readonly #identity = clientIdentity();

  constructor(config: Pick<ResolvedConfig, 'name' | 'temporal'>) {
    this.#connection = lazyConnection(config.temporal);
    this.#namespace = config.temporal.namespace;
    this.#scheduleId = cursorScheduleId(config);
  }

  async read(): Promise<unknown> {
    return keptIn((await this.#describe())?.schedule);
  }

  async update(change: (kept: unknown) => unknown): Promise<void> {
    const found = await this.#describe();
    const common = {
      namespace: this.#namespace,
      scheduleId: this.#scheduleId,
      identity: this.#identity,
      requestId: randomUUID(),
    };
    const schedule = this.#scheduleOf(change(keptIn(found?.schedule)));
    const { workflowService } = this.#connection;
    try {
      await this.#bounded(() =>
        found === undefined
          ? workflowService.createSchedule({ ...common, schedule })
          : workflowService.updateSchedule({
              ...common,
              schedule,
              // Server 1.32 drops an update with another token in silence.
              ...(found.conflictToken ? { conflictToken: found.conflictToken } : {}),
            }),
      );
    } catch (error) {
      // Somebody else has made it just now: it is as an update that came too late.
      if (isGrpcServiceError(error) && error.code === grpcStatus.ALREADY_EXISTS) return;
      throw faultOf(error);
    }
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #describe(): Promise<api.api.workflowservice.v1.IDescribeScheduleResponse | undefined> {
    const { workflowService } = this.#connection;
    try {
      return await this.#bounded(() =>
        workflowService.describeSchedule({ namespace: this.#namespace, scheduleId: this.#scheduleId }),
      );
    } catch (error) {
      // A namespace that is missing has this status too, and other words.
      const missing = isGrpcServiceError(error) && error.code === grpcStatus.NOT_FOUND;
      if (missing && !/namespace/i.test(error.details)) return undefined;
      throw faultOf(error);
    }
  }

  #scheduleOf(kept: unknown): Schedule {
    return {
      spec: {},
      state: { paused: true, notes: NOTES },
      action: {
        startWorkflow: {
          workflowId: this.#scheduleId,
          workflowType: { name: NEVER },
          taskQueue: { name: NEVER },
          input: { payloads: [defaultPayloadConverter.toPayload(kept)] },
          // The wire type is int64; the encoder takes numbers too, and `long` is no dependency of ours.
          workflowExecutionTimeout: { seconds: NEVER_SECONDS as never },
        },
      },
    };
  }

  #bounded<T>(call: () => Promise<T>): Promise<T> {
    return this.#connection.withDeadline(Date.now() + CALL_TIMEOUT_MS, call);
  }
}

function keptIn(schedule: Schedule | null | undefined): unknown {
  const [payload] = schedule?.action?.startWorkflow?.input?.payloads ?? [];
  return payload ? defaultPayloadConverter.fromPayload(payload) : undefined;
}
