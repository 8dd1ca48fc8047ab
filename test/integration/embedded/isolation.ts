import { EmbeddedCluster, EmbeddedClusterError, type EmbeddedClusterOptions } from '../../../src/embedded/index.ts';

/** The isolations of containers, for suites that run with each of them. */
export const isolations = ['namespaces', 'mapped'] as const;

/** Starts a cluster for a suite. Skips the suite if this machine does not allow the isolation. */
export async function startOrSkip(suite: Mocha.Context, options: EmbeddedClusterOptions): Promise<EmbeddedCluster> {
  try {
    return await EmbeddedCluster.start(options);
  } catch (error) {
    if (!(error instanceof EmbeddedClusterError) || error.code !== 'KW_ERR_EMBEDDED_ISOLATION_UNAVAILABLE') throw error;
    console.log(`      skipped: ${error.message}`);
    return suite.skip();
  }
}
