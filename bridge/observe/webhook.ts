import { ExponentialBackoff, handleWhen, retry, TaskCancelledError } from 'cockatiel';
import type { ResolvedConfig } from '../config/resolved.js';
import { within } from '../timing.js';
import type { Alert } from './alerts.js';
import type { Logger } from './logger.js';

export interface WebhookOptions {
  readonly alerts: ResolvedConfig['alerts'] & { readonly webhook: string };
  readonly logger: Pick<Logger, 'warn' | 'debug'>;
  readonly onPost?: (result: 'sent' | 'failed' | 'dropped') => void;
  /** How long one POST may take. @default 10000 */
  readonly timeoutMs?: number;
  /** Before the first retry; it doubles, up to a minute. @default 1000 */
  readonly firstWaitMs?: number;
}

/** A storm of kinds and scopes against a receiver that is away must not fill the memory. */
const QUEUE = 100;

/** The receiver's answer is no. */
class Refused extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`it answered with status ${status}`);
    this.status = status;
  }
}

class Late extends Error {}

/**
 * Alerts by POST, one after the other, in their order. Nobody waits for it and nothing of it throws; its URL and headers
 * are secrets (the path of many receivers is one), so only the host is ever named.
 */
export class Webhook {
  readonly #options: WebhookOptions;
  readonly #url: URL;
  readonly #headers: Record<string, string>;
  readonly #queue: Alert[] = [];
  readonly #stop = new AbortController();
  #sending: Promise<void> | undefined;

  constructor(options: WebhookOptions) {
    this.#options = options;
    this.#url = new URL(options.alerts.webhook);
    this.#headers = {
      'content-type': 'application/json',
      ...options.alerts.headers,
      ...basicAuth(this.#url),
    };
  }

  post(alert: Alert): void {
    if (this.#stop.signal.aborted) return;
    this.#queue.push(alert);
    if (this.#queue.length > QUEUE) {
      this.#queue.shift();
      this.#options.onPost?.('dropped');
    }
    this.#sending ??= this.#send().finally(() => (this.#sending = undefined));
  }

  /** What is queued is sent, or given up after so long. */
  async close(deadlineMs: number): Promise<void> {
    await within(this.#sending ?? Promise.resolve(), deadlineMs, () => undefined);
    this.#stop.abort();
    await this.#sending;
  }

  async #send(): Promise<void> {
    const { alerts, logger, onPost, firstWaitMs = 1_000 } = this.#options;
    const policy = retry(handleWhen(mayPass), {
      maxAttempts: alerts.maximumAttempts - 1,
      backoff: new ExponentialBackoff({ initialDelay: firstWaitMs, maxDelay: 60_000 }),
    });
    const { signal } = this.#stop;
    for (let alert = this.#queue.shift(); alert !== undefined; alert = this.#queue.shift()) {
      if (signal.aborted) {
        onPost?.('dropped');
        continue;
      }
      const body = JSON.stringify(alert);
      try {
        await policy.execute(() => this.#post(body), signal);
        onPost?.('sent');
      } catch (error) {
        onPost?.('failed');
        logger.warn(
          { kind: alert.kind, host: this.#url.host, reason: reasonOf(error) },
          'an alert did not reach the webhook',
        );
      }
    }
  }

  async #post(body: string): Promise<void> {
    const { signal } = this.#stop;
    // Not `AbortSignal.any`: on Node 20 a signal of it may be collected before it fires.
    const abort = new AbortController();
    const stop = () => abort.abort();
    signal.addEventListener('abort', stop, { once: true });
    const timer = setTimeout(() => abort.abort(new Late()), this.#options.timeoutMs ?? 10_000);
    try {
      signal.throwIfAborted();
      const answer = await fetch(this.#url, {
        method: 'POST',
        headers: this.#headers,
        body,
        // Elsewhere the headers would be told to somebody else.
        redirect: 'manual',
        signal: abort.signal,
      });
      await answer.body?.cancel();
      if (!answer.ok) throw new Refused(answer.status);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  }
}

/** Whether the same POST may succeed later. */
function mayPass(error: Error): boolean {
  if (!(error instanceof Refused)) return true;
  return error.status >= 500 || error.status === 429 || error.status === 408;
}

/** Never the error's own text: it may hold the URL. */
function reasonOf(error: unknown): string {
  if (error instanceof Refused) return error.message;
  if (error instanceof TaskCancelledError) return 'the bridge stops';
  if (!(error instanceof Error)) return 'unknown';
  if (error instanceof Late) return 'it did not answer in time';
  if (error.name === 'AbortError') return 'the bridge stops';
  const { code } = (error.cause ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : error.name;
}

/** `fetch` takes no URL with credentials: they become the header that they stand for, and leave the URL. */
function basicAuth(url: URL): Record<string, string> {
  if (url.username === '' && url.password === '') return {};
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  return { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
}
