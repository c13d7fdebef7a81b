import { z } from 'zod';
import { fields, isObject, isText, milliseconds, oneOf, positive, rule, share, text, url } from './rules.js';

const perSecond = rule(
  'a positive number, at most 1000000',
  (value) => Number.isFinite(value) && Number(value) > 0 && Number(value) <= 1_000_000,
);

export const capacity = fields({
  limit: oneOf('aimd', 'gradient', 'fixed', 'off').optional(),
  initial: positive.optional(),
  minimum: positive.optional(),
  maximum: positive.optional(),
  slowMs: milliseconds.optional(),
  fastMs: milliseconds.optional(),
  slotLeaseMs: milliseconds.optional(),
});

export const workflowTypes = z.record(z.string(), fields({ maxInFlight: positive.optional() }), {
  error: 'an object of workflow types',
});

export const pressure = fields({
  freeSlots: rule(
    'a whole number, not negative',
    (value) => Number.isSafeInteger(value) && Number(value) >= 0,
  ).optional(),
  responseMs: milliseconds.optional(),
  memory: share.optional(),
  cpu: share.optional(),
  eventLoopMs: milliseconds.optional(),
  minimumPollRecords: positive.optional(),
  low: oneOf('start', 'wait').optional(),
});

export const rate = fields({ perSecond, burst: positive.optional() });

export const demand = fields({
  buffer: positive.optional(),
  step: positive.optional(),
  resumeBelow: positive.optional(),
});

export const requests = fields({ perSecond, reserve: share.optional() });

export const http = fields({
  port: rule(
    'a port from 0 to 65535 (0 is any free one)',
    (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) < 65_536,
  ),
  host: text.optional(),
  outageGraceMs: milliseconds.optional(),
});

export const alerts = fields({
  webhook: url.optional(),
  headers: rule(
    'an object of header values',
    (value) => isObject(value) && Object.values(value).every(isText),
  ).optional(),
  groupMs: milliseconds.optional(),
  maximumAttempts: positive.optional(),
});
