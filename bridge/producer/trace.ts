import { randomBytes } from 'node:crypto';

/** What is asked of `@opentelemetry/api`, where the user's project has it. */
interface OpenTelemetryApi {
  readonly propagation: { inject(context: unknown, carrier: object): void };
  readonly context: { active(): unknown };
}

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;

export interface Trace {
  readonly traceparent: string;
  readonly traceId: string;
}

/** The trace that a record belongs to: the active one of OpenTelemetry, else a new one (W3C). */
export class Tracer {
  readonly #api: OpenTelemetryApi | undefined;

  constructor(api: OpenTelemetryApi | undefined) {
    this.#api = api;
  }

  /** The one that is active, if any: `@opentelemetry/api` may be there without anybody who sets it up. */
  active(): Trace | undefined {
    if (this.#api === undefined) return undefined;
    const carrier: { traceparent?: string } = {};
    try {
      this.#api.propagation.inject(this.#api.context.active(), carrier);
    } catch {
      // A propagator of the user's that throws stops no record.
    }
    const { traceparent } = carrier;
    const traceId = traceparent === undefined ? undefined : traceIdOf(traceparent);
    return traceparent === undefined || traceId === undefined ? undefined : { traceparent, traceId };
  }
}

export function traceIdOf(traceparent: string): string | undefined {
  return TRACEPARENT.exec(traceparent)?.[1];
}

/** An optional peer: whoever has it set up has it installed. */
export async function loadTracer(): Promise<Tracer> {
  // Not a literal: neither the compiler nor a bundler shall want to have it.
  const name = ['@opentelemetry', 'api'].join('/');
  try {
    return new Tracer((await import(name)) as OpenTelemetryApi);
  } catch {
    return new Tracer(undefined);
  }
}

const POOL_BYTES = 24 * 256;
let pool = Buffer.alloc(0);
let used = 0;

/** From a pool: a call of the system's for each record would be most of what a record costs. */
function random(bytes: number): string {
  if (used + bytes > pool.length) {
    pool = randomBytes(POOL_BYTES);
    used = 0;
  }
  used += bytes;
  return pool.toString('hex', used - bytes, used);
}

export function newTrace(): Trace {
  const traceId = random(16);
  return { traceId, traceparent: `00-${traceId}-${random(8)}-01` };
}
