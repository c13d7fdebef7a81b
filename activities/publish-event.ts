import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { PublishedEvent, PublishRequest } from '../workflows/contract.js';

/**
 * What became of a publish. `refused`: no repetition mends it. `waits`: it is to be tried again, also where the event may
 * be in Kafka already, since it bears the same key.
 */
export type PublishOutcome<T> =
  | { readonly published: T }
  | { readonly refused: string; readonly type: string; readonly details?: unknown }
  | { readonly waits: string; readonly type: string };

/** The way of workflows' events to Kafka. */
export interface Publisher {
  publish(request: PublishRequest, event: unknown): Promise<PublishOutcome<PublishedEvent>>;
  /** In one transaction: all, or none. What has not begun when the signal fires is not sent. */
  publishAll(
    requests: readonly PublishRequest[],
    events: readonly unknown[],
    signal: AbortSignal,
  ): Promise<PublishOutcome<readonly PublishedEvent[]>>;
}

export async function publishEvent(
  request: PublishRequest,
  event: unknown,
  publisher: Publisher,
): Promise<PublishedEvent> {
  return resultOf(publisher.publish(request, event));
}

export async function publishEvents(
  requests: readonly PublishRequest[],
  events: readonly unknown[],
  publisher: Publisher,
): Promise<readonly PublishedEvent[]> {
  return resultOf(publisher.publishAll(requests, events, Context.current().cancellationSignal));
}

/** A cancelled call ends at once; what it has sent may still arrive. */
async function resultOf<T>(publishing: Promise<PublishOutcome<T>>): Promise<T> {
  publishing.catch(() => undefined);
  const outcome = await Promise.race([publishing, Context.current().cancelled]);
  if ('published' in outcome) return outcome.published;
  if ('waits' in outcome) throw ApplicationFailure.retryable(outcome.waits, outcome.type);
  const details = outcome.details === undefined ? [] : [outcome.details];
  throw ApplicationFailure.nonRetryable(outcome.refused, outcome.type, ...details);
}
