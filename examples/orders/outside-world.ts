/** What the handlers ask of the world outside. Its troubles are made up, and are over when the demo has mended them. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PaymentReceived } from './events.js';

export function isInCatalogue(article: string): boolean {
  return article !== 'unicorn' || isMended();
}

export function isReportedStolen(payment: PaymentReceived): boolean {
  return payment.trouble === 'card-stolen' && !isMended();
}

/** Handlers run in the worker, the demo beside it: a file is what both see. */
export function mendTroubles(folder: string): void {
  writeFileSync(flagIn(folder), '');
}

export function beginTroubles(folder: string): void {
  rmSync(flagIn(folder), { force: true });
}

function isMended(): boolean {
  const folder = process.env['KTB_LOG_DIR'];
  return folder !== undefined && existsSync(flagIn(folder));
}

function flagIn(folder: string): string {
  return join(folder, 'troubles-are-mended');
}
