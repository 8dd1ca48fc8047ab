import type { FailureCluster, Provoked } from './failure-cluster.ts';
import type { Shows } from './pod-sightings.ts';

/** A failure that the benchmark provokes. */
export interface Failure {
  readonly what: string;
  /** The code of the error. `undefined`: the library continues, without one. */
  readonly code: string | undefined;
  readonly retryable: boolean;
  readonly provoke: (cluster: FailureCluster) => Promise<Provoked>;
  /** What the first sight of it is. Without: the provocation. */
  readonly shows?: Shows | undefined;
  /** @defaultValue 3 */
  readonly pairs?: number | undefined;
}
