import { hostname } from 'node:os';

/** `<pid>@<host> ktb=<fingerprint>`: the pollers of a task queue show it, so that others see which config a worker has. */
export function workerIdentity(fingerprint: string, given?: string): string {
  return `${given ?? `${process.pid}@${hostname()}`} ktb=${fingerprint}`;
}

/** Who asks, where it is no worker: a bridge or a command. */
export function clientIdentity(): string {
  return `ktb@${hostname()}:${process.pid}`;
}

/** Undefined where the worker is none of ours, or of an older version. */
export function fingerprintIn(identity: string): string | undefined {
  return / ktb=([0-9a-f]{16})$/.exec(identity)?.[1];
}
