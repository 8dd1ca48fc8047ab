import { basename } from 'node:path';

import Mocha from 'mocha';

/**
 * Mocha's `spec` reporter with final machine-readable lines: `N passed, N failed`, and `, N skipped`
 * if any were; then each failure in one line, for a summary of several suites.
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
  }
}
