import type { AgentClient } from '../agent/agent-client.ts';
import { InvalidSpecError } from '../errors/caller.ts';
import { PodDeletedError } from '../errors/pod.ts';
import { VolumeDisappearedError } from '../errors/repository.ts';
import type { AgentPool } from '../pods/agent-pool.ts';
import type { PodLauncher } from '../pods/pod-launcher.ts';
import type { PodRemover } from '../pods/pod-remover.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import type { ContainerMetadata } from '../runtime/container.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ArtifactStore, ReceivedArchive, ReceiveOptions, SentArchive, StoreLocation } from './artifact-store.ts';

/** What the store needs. */
export interface PodStoreComponents {
  readonly workerName: string;
  readonly agents: AgentPool;
  readonly launcher: PodLauncher;
  readonly pods: PodSupervisor;
  readonly remover: PodRemover;
  readonly podName: (handle: string, metadata: ContainerMetadata) => string;
  /** The image of the pods that hold nothing but a volume. */
  readonly image: string;
}

/** Where a pod that holds nothing but a volume shows it. */
const mountPath = '/volume';
const metadata: ContainerMetadata = { type: 'artifact' };

/**
 * The bytes stay in a pod: the producer's, or, for a volume without one, a small pod of its own. Needs nothing but the cluster; what is in it lives as
 * long as the pod.
 */
export class PodStore implements ArtifactStore {
  readonly name = 'pod';
  readonly #components: PodStoreComponents;

  constructor(components: PodStoreComponents) {
    this.#components = components;
  }

  locate(handle: string): StoreLocation {
    return podLocation(this.#components.podName(handle, metadata), handle, handle);
  }

  async create(handle: string, location: StoreLocation, options: AbortOptions = {}): Promise<void> {
    const { launcher, pods, image } = this.#components;
    const { podName, volume } = readLocation(location);
    const volumes = [{ agentVolume: volume, mountPath }];
    await launcher.launch(
      { podName, handle, metadata, image, environment: [], volumes, limits: {}, sidecars: [], privileged: false, architecture: undefined },
      options,
    );
    await pods.whenAgentAnswers({ podName, handle }, options);
  }

  async exists(location: StoreLocation, options: AbortOptions = {}): Promise<boolean> {
    return await this.#components.pods.exists(readLocation(location).podName, options);
  }

  async receive(
    location: StoreLocation,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    { signal, expandedLimitBytes }: ReceiveOptions = {},
  ): Promise<ReceivedArchive> {
    checkPath(path);
    const { volume } = readLocation(location);
    // The archive can be read once: the connection has to be there before.
    const agent = await this.#reach(
      location,
      async (client) => {
        await client.hello({ signal });
        return client;
      },
      { signal },
    );
    const { bytes, sha256, entries } = await agent.receive({ volume, path, expandedLimitBytes }, archive, { signal });
    return { rawBytes: bytes, digest: sha256, entries };
  }

  async send(location: StoreLocation, path: string, options: AbortOptions = {}): Promise<SentArchive> {
    checkPath(path);
    const { volume } = readLocation(location);
    const { kind, readable } = await this.#reach(location, (client) => client.send({ volume, path }, options), options);
    return { kind, archive: readable };
  }

  async delete(location: StoreLocation, options: AbortOptions = {}): Promise<boolean> {
    const { podName, owner } = readLocation(location);
    return await this.#components.remover.remove(podName, owner, options);
  }

  /** Through whatever trouble may pass; a pod that is gone has taken its volumes along. */
  async #reach<T>(location: StoreLocation, work: (client: AgentClient) => Promise<T>, options: AbortOptions): Promise<T> {
    const { agents, pods, workerName } = this.#components;
    const { podName, owner, volume } = readLocation(location);
    try {
      return await pods.persist(podName, () => work(agents.client(podName, owner)), options);
    } catch (error) {
      if (error instanceof PodDeletedError) throw new VolumeDisappearedError(volume, workerName, { cause: error });
      throw error;
    }
  }
}

/** Where a volume is: in this pod, which is the owner's, under this id of the agent's. */
export function podLocation(podName: string, owner: string, volume: string): StoreLocation {
  return { pod: podName, owner, volume };
}

function readLocation(location: StoreLocation): { readonly podName: string; readonly owner: string; readonly volume: string } {
  const { pod: podName = '', owner = '', volume = '' } = location;
  return { podName, owner, volume };
}

function checkPath(path: string): void {
  if (path.includes('\0')) throw new InvalidSpecError('path', 'contains a NUL');
}
