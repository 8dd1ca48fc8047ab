import { InvalidSpecError } from '../../errors/caller.ts';
import type { Cluster } from '../../kubernetes/cluster.ts';
import { checkPodOptions } from '../../kubernetes/pod-spec/pod-option-check.ts';
import type { PvcStoreOptions } from '../../runtime/pvc-store-options.ts';
import type { ArchiveStore } from '../archive-store.ts';
import { defaultPvcStoreName } from '../store-names.ts';
import { type ClaimArchives, PvcStore, type PvcStoreComponents } from './pvc-store.ts';
import { StorePod, type StorePodComponents } from './store-pod.ts';
import { type StorePodFacts, storePodRequest } from './store-pod-request.ts';

export interface OpenPvcStoreComponents
  extends StorePodFacts,
    Pick<StorePodComponents<ClaimArchives>, 'launcher' | 'pods' | 'remover' | 'agents' | 'clock' | 'logger'>,
    Pick<PvcStoreComponents, 'probeKey' | 'retryBudgetMs'> {
  readonly cluster: Pick<Cluster, 'namespace' | 'getPod' | 'podEvents'>;
}

/** The largest user and group of Linux. */
const maxId = 2 ** 31 - 1;

/**
 * Checks the values of options whose shape is correct.
 *
 * @param parameter - the parameter with the options, for errors
 * @throws InvalidSpecError - names the field
 */
export function checkPvcStoreOptions(parameter: string, options: PvcStoreOptions): void {
  const { claim, name = defaultPvcStoreName, user = 1, group = 1, pod } = options;
  if (claim.length > 253 || !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(claim))
    throw new InvalidSpecError(`${parameter}.claim`, 'is not the name of a PersistentVolumeClaim');
  if (name === '' || name === 'pod')
    throw new InvalidSpecError(`${parameter}.name`, 'is empty or pod: use another name');
  for (const [field, id] of Object.entries({ user, group }))
    if (!(Number.isSafeInteger(id) && id >= 1 && id <= maxId))
      throw new InvalidSpecError(`${parameter}.${field}`, `${id} is not a number from 1 to ${maxId}`);
  checkPodOptions(`${parameter}.pod`, pod);
}

/**
 * Returns the store of a claim. Sends no request: the store pod is created at the first use, or by
 * `probe`.
 */
export function openPvcStore(options: PvcStoreOptions, components: OpenPvcStoreComponents): ArchiveStore {
  const { name = defaultPvcStoreName, claim } = options;
  const { cluster, clock, probeKey, retryBudgetMs } = components;
  const place = { store: name, claim, namespace: cluster.namespace };
  const pod = new StorePod<ClaimArchives>({ ...components, place, request: storePodRequest(options, components) });
  return new PvcStore({ name, pod, probeKey, clock, retryBudgetMs });
}
