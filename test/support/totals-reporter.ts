import Mocha from 'mocha';

/** Mocha's `spec` reporter, and at the end one line for machines: `N passed, N failed`, with `, N skipped` where there are any. */
export default class TotalsReporter extends Mocha.reporters.Spec {
  override epilogue(): void {
    super.epilogue();
    const { passes, failures, pending } = this.stats;
    console.log(
      `${String(passes)} passed, ${String(failures)} failed${pending === 0 ? '' : `, ${String(pending)} skipped`}\n`,
    );
  }
}
