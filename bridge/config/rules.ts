import { msToNumber } from '@temporalio/common/lib/time.js';
import { z } from 'zod';

/**
 * The schema's building blocks. Every rule's message is what was expected, and nothing else: schema.ts makes the
 * sentence, since only it knows the whole path and which values are secrets.
 */

/** Timers of Node overflow beyond it and fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f-\u009f]/;

type Expected = string | ((value: unknown) => string);

export function rule(expected: Expected, test: (value: unknown) => boolean): z.ZodType {
  return z.custom(test, {
    error: ({ input }) => (typeof expected === 'string' ? expected : expected(input)),
  });
}

/** An object without other fields than these; the message of an unknown one is the JSON list of the known ones. */
export function fields(shape: Readonly<Record<string, z.ZodType>>): z.ZodType {
  return z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? JSON.stringify(Object.keys(shape)) : 'an object'),
  });
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** A lone surrogate has no UTF-8: two different texts would become the same bytes. */
export const isWellFormed = (value: string): boolean => !/\p{Surrogate}/u.test(value);
export const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
export const isCleanText = (value: unknown): value is string =>
  isText(value) && !CONTROL_CHARACTER.test(value);

export const text = rule('a string that is not empty', isText);
export const cleanText = rule('a string that is not empty, without control characters', isCleanText);
export const object = rule('an object', isObject);
export const aFunction = rule('a function', (value) => typeof value === 'function');
export const positive = rule(
  'a positive whole number',
  (value) => Number.isSafeInteger(value) && Number(value) > 0,
);
export const milliseconds = rule(
  `a whole number of milliseconds from 1 to ${MAX_TIMER_MS}`,
  (value) => Number.isSafeInteger(value) && Number(value) > 0 && Number(value) <= MAX_TIMER_MS,
);
export const share = rule(
  'a number from 0 to 1',
  (value) => Number.isFinite(value) && Number(value) >= 0 && Number(value) <= 1,
);
/** No timer: any number of days. */
export const age = rule(
  'a positive whole number of milliseconds',
  (value) => Number.isSafeInteger(value) && Number(value) > 0,
);
export const url = rule('an http or https URL', (value) => {
  if (typeof value !== 'string' || !URL.canParse(value)) return false;
  return ['http:', 'https:'].includes(new URL(value).protocol);
});

export const duration = rule("a duration: milliseconds, or text such as '30 seconds'", (value) => {
  if (typeof value !== 'number' && typeof value !== 'string') return false;
  try {
    const ms = msToNumber(value as Parameters<typeof msToNumber>[0]);
    return Number.isFinite(ms) && ms > 0;
  } catch {
    return false;
  }
});

/** What the test takes, or else an object with these fields. */
export function orFields(expected: string, test: (value: unknown) => boolean, inner: z.ZodType): z.ZodType {
  return z.unknown().superRefine((value, context) => {
    if (test(value)) return;
    if (!isObject(value)) {
      context.addIssue({ code: 'custom', message: expected });
      return;
    }
    for (const issue of inner.safeParse(value).error?.issues ?? []) {
      context.addIssue({ ...issue } as Parameters<typeof context.addIssue>[0]);
    }
  });
}

/** `'a', 'b' or 'c'` */
export function oneOf(...values: readonly string[]): z.ZodType {
  const quoted = values.map((value) => `'${value}'`);
  const expected = quoted.length === 1 ? quoted[0]! : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
  return rule(expected, (value) => typeof value === 'string' && values.includes(value));
}

export function listOf(expected: string, test: (value: unknown) => boolean): z.ZodType {
  return rule(expected, (value) => Array.isArray(value) && value.every(test));
}

/** `host:port`, also with an IPv6 address in brackets. */
export function isHostAndPort(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  const match = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/@,]+):(\d{1,5})$/.exec(value);
  return match !== null && Number(match[1]) > 0 && Number(match[1]) < 65_536;
}

/** What a topic's name may have at most. */
export const MAX_TOPIC = 249;

export function isTopicName(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > MAX_TOPIC || value === '.' || value === '..') return false;
  return /^[A-Za-z0-9._-]+$/.test(value);
}
