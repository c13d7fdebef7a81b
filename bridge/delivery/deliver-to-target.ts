/**
 * Sends a record's signal or update to its target, once, though the server knows a request ID in one run only and the
 * target may continue as new, close and be started anew at any moment.
 *
 * So a message is sent to a run that is named, and which one it is is noted before, where the next attempt finds it. Then
 * a lost answer leaves no doubt: while that run is open the server knows the request ID; once it has closed, its history
 * has the message, or nobody ever will have got it.
 */
import type { DeliverToTarget } from '../../activities/index.js';
import type { RecordInfo, SignalResult, TargetRouteInput } from '../../workflows/contract.js';
import type { DescribedExecution } from '../temporal/describe.js';
import type { MessageAnswer, TargetMessage } from '../temporal/target-port.js';
import { TemporalFault, type TemporalPort } from '../temporal/temporal-port.js';

/** What an attempt is about to do, as it is noted for the next one. */
type Aim =
  /** To send to this run. */
  | { readonly run: string }
  /** To start a run with it, after this one, or as the first. */
  | { readonly after: string | null };

type Delivered = Awaited<ReturnType<DeliverToTarget>>;
type Port = Pick<
  TemporalPort,
  'describe' | 'send' | 'sendWithStart' | 'hasReceived' | 'runsSince' | 'noteProgress'
>;

/** A target that turns over faster than we can aim: another attempt, a little later. */
const AIMS_IN_AN_ATTEMPT = 5;

/** Between the servers' clocks. */
const CLOCK_SKEW_MS = 10_000;

export function createTargetDelivery(port: Port, now: () => number = Date.now): DeliverToTarget {
  return async (event, record, input, { noted, taskToken, since }) => {
    const message = messageOf(event, record, input);
    try {
      const before = aimIn(noted);
      const arrived = before && (await whatCameOf(port, message, before, since));
      if (arrived) return delivered(arrived, message);
      for (let count = 0; count < AIMS_IN_AN_ATTEMPT; count++) {
        const aim = aimAt(await port.describe(input.workflowId), input, now() - since);
        if ('waits' in aim || 'refused' in aim) return aim;
        if (!(await port.noteProgress(taskToken, aim)))
          return { waits: 'The attempt is over: another one has taken its place', forMs: 0 };
        const answer = await sent(port, message, aim, input);
        if (answer.kind !== 'notTaken') return delivered(answer, message);
      }
      return { waits: `${named(input)} changes its run faster than it is reached`, forMs: 1_000 };
    } catch (error) {
      if (error instanceof TemporalFault && error.kind !== 'systemic')
        return { refused: error.message, type: `Ktb.${error.kind}` };
      throw error;
    }
  };
}

/** The signal's and the update's arguments are those that every handler gets. */
function messageOf(event: unknown, record: RecordInfo, input: TargetRouteInput): TargetMessage {
  const { kind, name, workflowId, requestId } = input;
  return { kind, name, workflowId, requestId, args: [event, record] };
}

/** What came of an earlier attempt, of which no answer is known. Undefined: nobody has got the message. */
async function whatCameOf(
  port: Port,
  message: TargetMessage,
  aim: Aim,
  since: number,
): Promise<MessageAnswer | undefined> {
  if ('run' in aim) {
    // The run knows what it has; what a server no longer knows of a closed one stands in its history.
    const answer = await port.send(message, aim.run);
    if (answer.kind !== 'notTaken') return answer;
    if (message.kind === 'update' || !(await port.hasReceived(message, aim.run))) return undefined;
    return { kind: 'delivered', runId: aim.run };
  }
  const found = await port.describe(message.workflowId);
  if (found === undefined || found.runId === aim.after) return undefined;
  // It began with the message, or somebody else's start was before ours and it got the message: then it has it in its first
  // run, or a later one. It may even have closed since, and another one begun: only visibility knows all of them.
  const others = await port.runsSince(message.workflowId, since - CLOCK_SKEW_MS);
  for (const runId of new Set([found.firstRunId, found.runId, ...others])) {
    if (!(await port.hasReceived(message, runId))) continue;
    return message.kind === 'signal' ? { kind: 'delivered', runId } : port.send(message, runId);
  }
  return undefined;
}

/** Where to send it now; or why it waits, or never will be sent. */
function aimAt(
  found: DescribedExecution | undefined,
  input: TargetRouteInput,
  waitedMs: number,
): Aim | Exclude<Delivered, { result: unknown }> {
  if (found === undefined) {
    if (input.start !== null) return { after: null };
    const expected = `Expected ${named(input)} to run, got none`;
    const leftMs = input.waitForWorkflowMs - waitedMs;
    if (leftMs > 0) return { waits: expected, forMs: Math.min(leftMs, 1_000) };
    return { refused: `${expected} within ${input.waitForWorkflowMs} ms`, type: 'Ktb.missing' };
  }
  switch (found.status) {
    case 'running':
    case 'paused':
      return { run: found.runId };
    case 'continuedAsNew': // its successor is on its way
    case 'unknown':
      return { waits: `${named(input)} is ${found.status}`, forMs: 200 };
    default:
      if (input.start !== null && input.onClosed === 'startNew') return { after: found.runId };
      return {
        refused: `Expected ${named(input)} to run, got one that is ${found.status}`,
        type: 'Ktb.closed',
      };
  }
}

function sent(port: Port, message: TargetMessage, aim: Aim, input: TargetRouteInput): Promise<MessageAnswer> {
  if ('run' in aim) return port.send(message, aim.run);
  const { workflow, ...start } = input.start!;
  return port.sendWithStart(message, {
    ...start,
    workflowType: workflow,
    args: message.args,
    afterClosed: aim.after !== null,
  });
}

function delivered(answer: MessageAnswer, message: TargetMessage): Delivered {
  const { kind, name, workflowId } = message;
  switch (answer.kind) {
    case 'delivered': {
      const result: SignalResult = { workflowId, runId: answer.runId };
      return { result: kind === 'signal' ? result : (answer.result ?? null) };
    }
    case 'refused':
      return { refused: answer.message, type: answer.type ?? 'Ktb.refused' };
    case 'pending':
      return { waits: `The update \`${name}\` of ${workflowId} has not completed yet`, forMs: 5_000 };
    case 'notTaken':
      return {
        waits: `The run of ${workflowId} that had taken the ${kind} \`${name}\` has changed`,
        forMs: 200,
      };
  }
}

function named({ workflowId }: TargetRouteInput): string {
  return `a workflow ${workflowId}`;
}

/** Notes of another release, or none. */
function aimIn(noted: unknown): Aim | undefined {
  if (typeof noted !== 'object' || noted === null) return undefined;
  const { run, after } = noted as { run?: unknown; after?: unknown };
  if (typeof run === 'string') return { run };
  return typeof after === 'string' || after === null ? { after } : undefined;
}
