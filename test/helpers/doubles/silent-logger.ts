import type { Logger } from '@temporalio/common';

const nothing = (): void => undefined;

/** For what of Temporal's would write about the failures that a test is made of. */
export const SILENT: Logger = {
  log: nothing,
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
};
