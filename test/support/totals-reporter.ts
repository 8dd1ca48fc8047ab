import Mocha from 'mocha';

/**
 * Mocha's `spec` reporter with a final machine-readable line: `N passed, N failed`, and `, N
 * skipped` if any were.
 */
export default class TotalsReporter extends Mocha.reporters.Spec {
  override epilogue(): void {
    super.epilogue();
    const { passes, failures, pending } = this.stats;
    console.log(
      `${String(passes)} passed, ${String(failures)} failed${pending === 0 ? '' : `, ${String(pending)} skipped`}\n`,
    );
  }
}
