import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import type { SchemaRegistryDecoder } from '../../config/types.js';
import { DEFAULTS } from '../../config/defaults.js';
import { BridgeError } from '../../errors.js';
import { oneLine, thrownText } from '../one-line.js';
import { undecodable } from './decoder.js';

type Middleware = NonNullable<ConstructorParameters<typeof SchemaRegistry>[0]['middlewares']>[number];

/** A schema is its own size; this is far above any, and far below what hurts. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/**
 * The library's registry (schemas cached, failures not), with requests of our own. Its HTTP client calls a refused
 * connection "400", retries for seconds, has no time-out, never settles where an answer breaks off, and throws where
 * nobody can catch it when the body of an error is `null`. A middleware that doesn't call `next` stands in for it.
 */
export function createRegistry(option: SchemaRegistryDecoder): SchemaRegistry {
  const host = new URL(option.url);
  const auth = option.auth ?? credentialsIn(host);
  host.username = '';
  host.password = '';
  const authorization =
    auth && `Basic ${Buffer.from(`${auth.username}:${auth.password}`, 'utf8').toString('base64')}`;
  const timeoutMs = option.timeoutMs ?? DEFAULTS.decoderTimeoutMs;

  const ownRequests: Middleware = () => ({
    prepareRequest: (next) => next(),
    response: async (_next, _renew, request) => {
      const answer = await ask(request.url(), host.origin, authorization, timeoutMs);
      return { data: () => answer } as unknown as Awaited<ReturnType<typeof _next>>;
    },
  });

  return new SchemaRegistry(
    { host: host.href.replace(/\/$/, ''), middlewares: [ownRequests] },
    // Registries hold schemas with keywords of their own (`connect.type`), which ajv's strict mode refuses.
    { [SchemaType.JSON]: { strict: false, validateFormats: false, logger: false } },
  );
}

function credentialsIn(url: URL): SchemaRegistryDecoder['auth'] {
  if (url.username === '') return undefined;
  return { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
}

async function ask(
  url: string,
  origin: string,
  authorization: string | undefined,
  timeoutMs: number,
): Promise<Record<string, unknown>> {
  let status: number;
  let body: string;
  try {
    const response = await fetch(url, {
      headers: {
        accept: 'application/vnd.schemaregistry.v1+json, application/json',
        ...(authorization === undefined ? {} : { authorization }),
      },
      signal: AbortSignal.timeout(timeoutMs),
    });
    status = response.status;
    body = await boundedText(response);
  } catch (error) {
    throw away(`The schema registry at ${origin} doesn't answer: ${reasonOf(error, timeoutMs)}`);
  }
  const answer = parsed(body);
  if (status === 200 && answer !== undefined && typeof answer['schema'] === 'string') return answer;
  const said = typeof answer?.['message'] === 'string' ? `: ${oneLine(answer['message'], 200)}` : '';
  const path = new URL(url).pathname;
  // 404 speaks of the schema, and so of the record, as do 400 and 422; every other answer (5xx, 429, wrong
  // credentials, a proxy's page) speaks of the registry.
  if (status === 404 || status === 400 || status === 422) {
    throw undecodable(`The schema registry at ${origin} answers ${status} to ${path}${said}`);
  }
  throw away(
    `The schema registry at ${origin} answers ${status} to ${path}${said || (status === 200 ? ', without a schema' : '')}`,
  );
}

function away(message: string): BridgeError {
  return new BridgeError('KTB_RECORD', oneLine(message), { retryable: true });
}

function reasonOf(error: unknown, timeoutMs: number): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer in ${timeoutMs} ms`;
  // undici says "fetch failed", and why in the cause.
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code = (cause as { readonly code?: string } | null)?.code;
  return thrownText(cause) || (code ?? 'unknown');
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += (chunk as Uint8Array).byteLength;
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
