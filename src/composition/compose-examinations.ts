import { type CheckComponents, checkWorker } from '../checks/check-worker.ts';
import { probeWorker } from '../checks/probe-worker.ts';
import { within } from '../internal/within.ts';
import { permissionsFor, secretPermissions } from '../kubernetes/required-permissions.ts';
import type { ArtifactStore } from '../stores/artifact-store.ts';
import type { PodWorkerComponents } from '../worker/pod-worker-components.ts';
import type { KubernetesWorkerOptions } from '../worker-options.ts';
import type { Foundations } from './foundations.ts';

type CheckedParts = Pick<CheckComponents, 'store' | 'archiveStores' | 'examineImages' | 'hermetic'>;

interface WorkerExaminationsComponents extends CheckedParts {
  /** The stores whose probe shows whether they answer, by name. */
  readonly probed: ReadonlyMap<string, Pick<ArtifactStore, 'name' | 'probe'>>;
  /** The secrets that images are examined with. */
  readonly secretNames: readonly string[];
}

/** Composes what examines a worker: `check` thoroughly, for people; `probe` quickly, for a service. */
export function composeExaminations(
  options: KubernetesWorkerOptions,
  { cluster, repository, clock, newId, mayBeUnregistered = false }: Foundations,
  { probed, secretNames, ...parts }: WorkerExaminationsComponents,
): Pick<PodWorkerComponents, 'check' | 'probe'> {
  const examined = { workerName: options.name, cluster, states: repository.workerStates };
  const checked: CheckComponents = {
    ...examined,
    ...parts,
    permissions: [...permissionsFor(options), ...secretPermissions(secretNames)],
    workers: repository.workers,
    missingMigrations: (reading) => repository.missingMigrations(reading),
    mayBeUnregistered,
    newId,
    clock,
  };
  return {
    check: (checking) => checkWorker(checked, checking),
    probe: (probing) =>
      probeWorker(
        {
          ...examined,
          stores: probed,
          within: (limitMs, work, signal) => within(limitMs, clock, work, signal),
        },
        probing,
      ),
  };
}
