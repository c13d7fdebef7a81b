import { hostname } from 'node:os';

/** `<pid>@<host> ktb=<fingerprint>`: the pollers of a task queue show it, so that others see which config a worker has. */
export function workerIdentity(fingerprint: string, given?: string): string {
  return `${given ?? `${process.pid}@${hostname()}`} ktb=${fingerprint}`;
}

/** Undefined where the worker is none of ours, or of an older version. */
export function fingerprintIn(identity: string): string | undefined {
  return / ktb=([0-9a-f]{16})$/.exec(identity)?.[1];
}
