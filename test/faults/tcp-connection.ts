import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Direction, ProxyState } from './tcp-proxy.js';
import type { Exchange } from './wire.js';

/** One client's connection through the proxy: two sockets, two directions. */
export class ProxyConnection {
  readonly #client: Socket;
  readonly #server: Socket | undefined;
  readonly #state: ProxyState;
  readonly #gone: () => void;
  /** A direction that swallowed anything stays silent for good: its stream has a hole. */
  readonly #silent = { request: false, response: false };
  readonly #abort = new AbortController();
  #exchange: Exchange | undefined;
  #exchangeOf: object | undefined;
  #awaitsReply = false;
  #ended = false;

  constructor(client: Socket, state: ProxyState, gone: () => void) {
    this.#client = client;
    this.#state = state;
    this.#gone = gone;
    // Nothing of a swallowed connection may reach the server, not even that there is one.
    const server = state.swallows('request')
      ? undefined
      : connect({ ...state.target, allowHalfOpen: true, noDelay: true });
    this.#server = server;
    if (server === undefined) {
      this.#silent.request = true;
      this.#silent.response = true;
      client.on('data', (bytes) => this.#swallow(bytes));
      client.on('end', () => {});
      client.on('error', () => {});
      client.on('close', () => this.reset());
      return;
    }
    this.#pump(client, server, 'request');
    this.#pump(server, client, 'response');
  }

  /** RST to both sides. */
  reset(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#abort.abort();
    for (const socket of [this.#client, this.#server]) {
      if (socket === undefined || socket.destroyed) continue;
      // Node resets established sockets only; one that still connects is destroyed, which is as sudden.
      if (socket.connecting) socket.destroy();
      else socket.resetAndDestroy();
    }
    this.#gone();
  }

  #pump(from: Socket, to: Socket, direction: Direction): void {
    from.on('data', (bytes) => {
      const waiting = this.#forward(to, bytes, direction);
      if (waiting === undefined) return;
      // Back-pressure: nothing more is read before the other side has taken this.
      from.pause();
      void waiting.then(() => from.resume());
    });
    from.on('end', () => {
      if (this.#isSilent(direction)) return;
      to.end();
    });
    from.on('error', () => {
      // An end that broke; the other side learns it at once, except through a stalled network.
      if (!this.#isSilent(direction)) this.reset();
    });
    from.on('close', () => {
      if (from.destroyed && to.destroyed) this.reset();
      else if (!this.#isSilent(direction) && from.errored !== null) this.reset();
    });
  }

  #isSilent(direction: Direction): boolean {
    // Once it was asked and was silent, the direction's stream has lost something: bytes, a FIN or an RST.
    if (this.#state.swallows(direction)) this.#silent[direction] = true;
    return this.#silent[direction];
  }

  #swallow(bytes: Buffer): void {
    this.#state.counters.swallowedBytes += bytes.length;
  }

  /** @returns a promise where the reader has to wait */
  #forward(to: Socket, bytes: Buffer, direction: Direction): Promise<void> | undefined {
    if (this.#isSilent(direction)) {
      this.#swallow(bytes);
      return undefined;
    }
    if (this.#losesReply(bytes, direction)) {
      this.#state.replyLost();
      this.reset();
      return undefined;
    }
    const { counters, slices } = this.#state;
    if (direction === 'request') counters.requestBytes += bytes.length;
    else counters.responseBytes += bytes.length;
    if (slices !== undefined) return this.#writeSlices(to, bytes, slices);
    return to.write(bytes) ? undefined : drained(to);
  }

  #losesReply(bytes: Buffer, direction: Direction): boolean {
    const armed = this.#state.lostReply;
    if (armed === undefined) return false;
    if (this.#exchangeOf !== armed) {
      this.#exchangeOf = armed;
      this.#exchange = armed.exchange();
      this.#awaitsReply = false;
    }
    if (direction === 'request') {
      if (this.#exchange!.request(bytes)) this.#awaitsReply = true;
      return false;
    }
    // The parser sees every byte, also before the request, so that it stays in step.
    const isReply = this.#exchange!.reply(bytes);
    return this.#awaitsReply && isReply;
  }

  async #writeSlices(
    to: Socket,
    bytes: Buffer,
    slices: { readonly bytes: number; readonly delayMs: number },
  ): Promise<void> {
    for (let at = 0; at < bytes.length && !to.destroyed; at += slices.bytes) {
      if (!to.write(bytes.subarray(at, at + slices.bytes))) await drained(to);
      await delay(slices.delayMs, undefined, { signal: this.#abort.signal }).catch(() => {});
    }
  }
}

async function drained(socket: Socket): Promise<void> {
  if (socket.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}
