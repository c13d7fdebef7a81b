import type { LimitOptions } from './contract.js';

/** Responses looked at: the last so many, as whole reports. */
export const WINDOW = 100;
/** How often the limit may move, and after how many new responses. */
const PACE_MS = 1_000;
export const PACE_RESPONSES = 10;
/** Records that wait longer for a worker make a slow response an overload. */
const WAIT_MS = 200;
const STEP_DOWN = 10;
const STEP_UP = 5;

/** Of the gradient, as in Netflix's Gradient2: how much slower than usual is no queue yet, how far one step may cut ... */
const TOLERANCE = 1.5;
const STEEPEST = 0.5;
/** ... how much of a step is taken, and over how many steps the usual time is a mean. */
const SMOOTHING = 0.2;
const LONG_WINDOW = 600;

/** Where the limit stands; plain, so that it can be carried. */
export interface LimitState {
  /** With a fraction, for the gradient's sake; null before any bridge has told the options. */
  readonly value: number | null;
  /** Since the last change. */
  readonly fresh: number;
  readonly changedAt: number | null;
  /** A cut waits for its effect: none follows before in flight has come down to the limit. */
  readonly cutting: boolean;
  /** The usual sojourn of the gradient, ms. */
  readonly usualMs: number | null;
  readonly steps: number;
}

export interface LimitSituation {
  readonly inFlight: number;
  /** Records wait that only the limit keeps back. */
  readonly bound: boolean;
  readonly responseMs: number | null;
  readonly waitMs: number | null;
}

export interface LimitMove {
  readonly state: LimitState;
  /** Why it has moved, in words; undefined where it has not. */
  readonly why?: string;
}

export const UNMOVED: LimitState = {
  value: null,
  fresh: 0,
  changedAt: null,
  cutting: false,
  usualMs: null,
  steps: 0,
};

export function limitOf(state: LimitState, options: LimitOptions): number {
  if (options.limit === 'fixed' || state.value === null) return options.initial;
  return Math.floor(clamp(state.value, options));
}

export function observed(state: LimitState, responses: number): LimitState {
  return { ...state, fresh: Math.min(state.fresh + responses, WINDOW) };
}

/** Down to the minimum, as where the circuit opens: from there it moves up again by what it sees. */
export function fallen(state: LimitState, options: LimitOptions, nowMs: number): LimitState {
  return { ...state, value: options.minimum, fresh: 0, changedAt: nowMs, cutting: true };
}

/** One step of the limit, where one is due: at most one a second, after at least 10 new responses. */
export function moved(
  before: LimitState,
  situation: LimitSituation,
  options: LimitOptions,
  nowMs: number,
): LimitMove {
  const limit = limitOf(before, options);
  const state = before.cutting && situation.inFlight <= limit ? { ...before, cutting: false } : before;
  const due =
    options.limit !== 'fixed' &&
    state.fresh >= PACE_RESPONSES &&
    (state.changedAt === null || nowMs - state.changedAt >= PACE_MS);
  if (!due || situation.responseMs === null) return { state };
  return options.limit === 'gradient'
    ? byGradient(state, situation, options, nowMs)
    : bySteps(state, situation, options, nowMs);
}

function bySteps(
  state: LimitState,
  { bound, responseMs, waitMs }: LimitSituation,
  options: LimitOptions,
  nowMs: number,
): LimitMove {
  const limit = limitOf(state, options);
  const waits = (waitMs ?? 0) > WAIT_MS;
  const to = (value: number, why: string, cutting: boolean): LimitMove => {
    const next = clamp(value, options);
    if (next === limit) return { state };
    return { state: { ...state, value: next, fresh: 0, changedAt: nowMs, cutting }, why };
  };
  const mean = `a mean response of ${ms(responseMs)}`;
  // A slow handler on idle workers is no overload: fewer records would make none of them faster.
  if (responseMs! > options.slowMs && waits) {
    if (state.cutting) return { state };
    return to(limit - STEP_DOWN, `${mean}, and ${ms(waitMs)} of waiting for a worker`, true);
  }
  if (responseMs! < options.fastMs) return to(limit + STEP_UP, mean, false);
  // Handlers of 300 ms are neither slow nor fast: without this, a limit that was cut once would stay low for ever.
  if (!waits && bound && limit < options.initial) {
    const value = Math.min(limit + STEP_UP, options.initial);
    return to(value, 'records wait for the limit, and none for a worker', false);
  }
  return { state };
}

/**
 * Gradient2 of Netflix's concurrency-limits: how long records take now, against how long they usually do. It needs to
 * know no times, and takes what lasts for usual in the end.
 */
function byGradient(
  state: LimitState,
  { inFlight, responseMs, waitMs }: LimitSituation,
  options: LimitOptions,
  nowMs: number,
): LimitMove {
  const shortMs = Math.max(1, responseMs! + (waitMs ?? 0));
  const steps = Math.min(state.steps + 1, LONG_WINDOW);
  // The first ones are a plain mean: one slow start must not stand for the usual for minutes.
  const weight = steps <= 10 ? 1 / steps : 2 / (LONG_WINDOW + 1);
  let usualMs = state.usualMs === null ? shortMs : state.usualMs + weight * (shortMs - state.usualMs);
  // After an overload the usual time is too long, and would hide the next one.
  if (usualMs / shortMs > 2) usualMs *= 0.95;
  const seen = { ...state, usualMs, steps, fresh: 0, changedAt: nowMs };
  const value = clamp(state.value ?? options.initial, options);
  const gradient = Math.max(STEEPEST, Math.min(1, (TOLERANCE * usualMs) / shortMs));
  // Where only half of it is used, the limit is not what the times tell of: it only comes back to where it began.
  const isCalm = inFlight < value / 2;
  if (isCalm && (gradient < 1 || value >= options.initial)) return { state: seen };
  if (gradient < 1 && state.cutting) return { state: seen };
  const queue = Math.max(options.minimum / 2, Math.sqrt(value));
  const stepped = clamp(value * (1 - SMOOTHING) + (value * gradient + queue) * SMOOTHING, options);
  const next = isCalm ? Math.min(stepped, options.initial) : stepped;
  const after = { ...seen, value: next, cutting: next < value };
  if (Math.floor(next) === Math.floor(value)) return { state: after };
  return { state: after, why: `${ms(shortMs)} from start to end, usually ${ms(usualMs)}` };
}

function clamp(value: number, options: LimitOptions): number {
  return Math.min(Math.max(value, options.minimum), options.maximum);
}

function ms(value: number | null): string {
  return `${Math.round(value ?? 0)} ms`;
}
