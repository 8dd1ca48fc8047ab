import { basename } from 'node:path';

import Mocha from 'mocha';

/** How long what failed tests have left may keep the process running after the last test, in milliseconds. */
const longestEndMs = 60_000;

/**
 * Mocha's `spec` reporter with final machine-readable lines: `N passed, N failed`, and `, N skipped`
 * if any were; then each failure in one line, for a summary of several suites. A process that does not
 * end by itself is a failure.
 */
export default class TotalsReporter extends Mocha.reporters.Spec {
  override epilogue(): void {
    super.epilogue();
    const { passes, failures, pending } = this.stats;
    console.log(
      `${String(passes)} passed, ${String(failures)} failed${pending === 0 ? '' : `, ${String(pending)} skipped`}\n`,
    );
    for (const { file = '', title, err } of this.failures)
      console.log(`failed: ${basename(file)}: ${title}: ${err?.message.split('\n', 1)[0] ?? ''}`);
    setTimeout(() => {
      console.log(`failed: the process does not end, because of ${process.getActiveResourcesInfo().join(', ')}`);
      // After Mocha's own listener, which sets the number of failures.
      process.once('exit', () => void (process.exitCode = 1));
      process.exit();
    }, longestEndMs).unref();
  }
}
