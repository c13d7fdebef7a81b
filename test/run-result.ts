interface FileStats {
  readonly declaredTests: number;
  readonly uncaughtExceptions: number;
  readonly unhandledRejections: number;
}

/** The statistics of ava 7 that we count by (`lib/run-status.js`). */
export interface AvaStats {
  readonly passedTests: number;
  readonly passedKnownFailingTests: number;
  readonly failedTests: number;
  readonly failedHooks: number;
  /** Selected, but never ended: timed out, or their process died. */
  readonly remainingTests: number;
  readonly selectedTests: number;
  readonly declaredTests: number;
  readonly uncaughtExceptions: number;
  readonly unhandledRejections: number;
  readonly internalErrors: number;
  readonly sharedWorkerErrors: number;
  readonly failedWorkers: number;
  readonly timeouts: number;
  readonly byFile: Readonly<Record<string, FileStats>>;
}

export interface Count {
  readonly passed: number;
  readonly failed: number;
}

/** How a run of ava went. */
export interface AvaRun {
  /** `undefined` when ava did not come so far as to run a file. */
  readonly stats: AvaStats | undefined;
  readonly exitCode: number;
  /** `--match` was given: files without a matching test are no fault. */
  readonly matching: boolean;
}

/**
 * Counts everything that makes a run fail, not only failed assertions: uncaught errors, tests that never ended, files
 * that declared none, processes that broke. Where ava says "failed" and nothing of these is found, that is one.
 */
export function countRun({ stats, exitCode, matching }: AvaRun): Count {
  if (stats === undefined) return { passed: 0, failed: exitCode === 0 ? 0 : 1 };
  // A file that broke while it was loaded has no tests either; that is counted already.
  const emptyFiles = Object.values(stats.byFile).filter(
    (file) => file.declaredTests + file.uncaughtExceptions + file.unhandledRejections === 0,
  ).length;
  const found =
    stats.failedTests +
    stats.failedHooks +
    stats.remainingTests +
    stats.uncaughtExceptions +
    stats.unhandledRejections +
    stats.internalErrors +
    stats.sharedWorkerErrors +
    emptyFiles;
  const nothingMatched = matching && stats.selectedTests === 0;
  const unexplained = exitCode !== 0 && found === 0 && !nothingMatched ? 1 : 0;
  return { passed: stats.passedTests + stats.passedKnownFailingTests, failed: found + unexplained };
}

/** Adds up the phases. A run in which nothing ran at all has failed. */
export function total(counts: readonly Count[]): Count {
  const passed = counts.reduce((sum, count) => sum + count.passed, 0);
  const failed = counts.reduce((sum, count) => sum + count.failed, 0);
  return { passed, failed: passed + failed === 0 ? 1 : failed };
}

/** How many tests were left out though nobody asked for it: a forgotten `test.only`. */
export function leftOut({ stats, matching }: AvaRun): number {
  return stats === undefined || matching ? 0 : stats.declaredTests - stats.selectedTests;
}
