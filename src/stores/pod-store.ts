import type { AgentClient } from '../agent-client/agent-client.ts';
import type { TransferResult } from '../agent-client/transfer/transfer-progress.ts';
import { InvalidSpecError } from '../errors/caller.ts';
import { ExecHandshakeFailedError } from '../errors/connection.ts';
import { PodDeletedError, PodError } from '../errors/pod.ts';
import { OutcomeUnknownError } from '../errors/process.ts';
import { VolumeDisappearedError } from '../errors/repository.ts';
import { OperationLostError } from '../errors/transfer.ts';
import type { AgentPool } from '../pods/agent-pool.ts';
import type { LaunchRequest, PodLauncher } from '../pods/pod-launcher.ts';
import type { PodRemover } from '../pods/pod-remover.ts';
import type { PodGuard, PodSupervisor } from '../pods/pod-supervisor.ts';
import type { ContainerMetadata } from '../runtime/container.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { StreamSource } from '../runtime/volume.ts';
import type {
  ContainerVolumeStore,
  CopyOptions,
  ReceivedArchive,
  ReceiveOptions,
  SentArchive,
  StoreLocation,
} from './artifact-store.ts';
import type { ArchiveFrames, FrameSource, FrameStore, FramesEnd } from './frame-store.ts';
import { GuardedFrames } from './guarded-frames.ts';

export interface PodStoreComponents {
  readonly workerName: string;
  readonly agents: AgentPool;
  readonly launcher: PodLauncher;
  readonly pods: PodSupervisor;
  readonly remover: PodRemover;
  readonly podName: (handle: string, metadata: ContainerMetadata) => string;
  /** The image of pods that hold only a volume. */
  readonly image: string;
}

/** The mount path in a pod that holds only a volume. */
const mountPath = '/volume';
const metadata: ContainerMetadata = { type: 'artifact' };

/**
 * Stores the bytes in a pod: the producer's, or, for a volume without a producer, its own small
 * pod. Requires only the cluster. The content exists as long as the pod.
 */
export class PodStore implements ContainerVolumeStore, FrameStore {
  readonly name = 'pod';
  readonly #components: PodStoreComponents;

  constructor(components: PodStoreComponents) {
    this.#components = components;
  }

  locate(handle: string): StoreLocation {
    return this.locateInContainer({ podName: this.#components.podName(handle, metadata), handle }, handle);
  }

  locateInContainer(
    { podName, handle }: { readonly podName: string; readonly handle: string },
    volume: string,
  ): StoreLocation {
    return { pod: podName, owner: handle, volume };
  }

  /** Returns the pod that has the bytes of a location of this store, and the handle of that pod. */
  podOf(location: StoreLocation): { readonly podName: string; readonly handle: string } {
    const { podName, owner: handle } = readLocation(location);
    return { podName, handle };
  }

  async create(handle: string, location: StoreLocation, options: AbortOptions = {}): Promise<void> {
    const { launcher, pods } = this.#components;
    const request = this.#requestFor(handle, location);
    await launcher.launch(request, options);
    await pods.whenAgentAnswers(request, options);
  }

  /** Does what `PodLauncher.rehearse` does, for the pod that `create` creates. */
  async rehearse(handle: string, options: AbortOptions = {}): Promise<Date | undefined> {
    return await this.#components.launcher.rehearse(this.#requestFor(handle, this.locate(handle)), options);
  }

  async exists(location: StoreLocation, options: AbortOptions = {}): Promise<boolean> {
    const { podName, owner: handle } = readLocation(location);
    return await this.#components.pods.exists(podName, { ...options, handle });
  }

  async findMissing(locations: readonly StoreLocation[], options: AbortOptions = {}): Promise<readonly boolean[]> {
    const pods = locations.map((location) => ({ podName: readLocation(location).podName }));
    return await this.#components.remover.findMissing(pods, options);
  }

  async receive(
    location: StoreLocation,
    path: string,
    archive: StreamSource,
    { signal, expandedLimitBytes, generation, isProven, progress }: ReceiveOptions = {},
  ): Promise<ReceivedArchive> {
    checkPath(path);
    const { volume } = readLocation(location);
    using guard = this.#guard(location, signal);
    try {
      const spec = { volume, path, expandedLimitBytes, generation };
      const options = { signal: guard.signal, isProven, received: progress };
      return received(await this.#agent(location).receive(spec, archive, options));
    } catch (error) {
      throw await this.#explain(location, error, signal);
    }
  }

  async copy(
    from: StoreLocation,
    to: StoreLocation,
    { signal, generation, progress }: CopyOptions = {},
  ): Promise<ReceivedArchive> {
    using fromGuard = this.#guard(from, signal);
    using guard = this.#guard(to, fromGuard.signal);
    const source = { client: this.#agent(from), spec: { volume: readLocation(from).volume } };
    try {
      const spec = { volume: readLocation(to).volume, generation };
      const options = { signal: guard.signal, received: progress };
      return received(await this.#agent(to).receiveFrom(spec, source, options));
    } catch (error) {
      const explained = await this.#explain(from, error, signal);
      throw explained === error ? await this.#explain(to, error, signal) : explained;
    }
  }

  async send(location: StoreLocation, path: string, { signal }: AbortOptions = {}): Promise<SentArchive> {
    checkPath(path);
    const { volume } = readLocation(location);
    const guard = this.#guard(location, signal);
    try {
      const explain = (error: OperationLostError): Promise<Error> => this.#findPodFailure(location, error, signal);
      const { kind, readable } = await this.#agent(location).send({ volume, path }, { signal: guard.signal, explain });
      // Guards the pod for as long as the archive is read.
      readable.once('close', () => {
        guard[Symbol.dispose]();
      });
      return { kind, archive: readable };
    } catch (error) {
      guard[Symbol.dispose]();
      throw await this.#explain(location, error, signal);
    }
  }

  async sendFrames(location: StoreLocation, { signal }: AbortOptions = {}): Promise<ArchiveFrames> {
    const { volume } = readLocation(location);
    const guard = this.#guard(location, signal);
    try {
      const frames = await this.#agent(location).sendFrames({ volume }, { signal: guard.signal });
      // Guards the pod for as long as frames are read.
      return new GuardedFrames(frames, guard, (error) => this.#explain(location, error, signal));
    } catch (error) {
      guard[Symbol.dispose]();
      throw await this.#explain(location, error, signal);
    }
  }

  async receiveFrames(
    location: StoreLocation,
    source: FrameSource,
    { signal, generation, progress }: CopyOptions = {},
  ): Promise<ReceivedArchive> {
    using guard = this.#guard(location, signal);
    try {
      const spec = { volume: readLocation(location).volume, generation };
      const options = { signal: guard.signal, received: progress };
      return received(await this.#agent(location).receiveFrames(spec, source, options));
    } catch (error) {
      throw await this.#explain(location, error, signal);
    }
  }

  async digestOf(location: StoreLocation, { signal }: AbortOptions = {}): Promise<FramesEnd> {
    using guard = this.#guard(location, signal);
    try {
      const { volume } = readLocation(location);
      const { bytes, sha256 } = await this.#agent(location).digest({ volume }, { signal: guard.signal });
      return { rawBytes: bytes, digest: sha256 };
    } catch (error) {
      throw await this.#explain(location, error, signal);
    }
  }

  async delete(location: StoreLocation, options: AbortOptions = {}): Promise<boolean> {
    const { podName, owner } = readLocation(location);
    return await this.#components.remover.remove(podName, owner, options);
  }

  #requestFor(handle: string, location: StoreLocation): LaunchRequest {
    const { podName, volume } = readLocation(location);
    return {
      podName,
      handle,
      metadata,
      image: this.#components.image,
      volumes: [{ agentVolume: volume, mountPath }],
      limits: {},
      sidecars: [],
      privileged: false,
      architecture: undefined,
    };
  }

  #agent(location: StoreLocation): AgentClient {
    const { podName, owner } = readLocation(location);
    return this.#components.agents.client(podName, owner);
  }

  /** Returns a guard that aborts transfers when the pod ends, because its volumes end with it. */
  #guard(location: StoreLocation, signal: AbortSignal | undefined): PodGuard {
    return this.#components.pods.guard(readLocation(location).podName, { signal });
  }

  /**
   * Returns the error to report for a failure. A connection that is lost or refused may be the first
   * sign that the pod no longer exists.
   */
  async #explain(location: StoreLocation, error: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    const { workerName } = this.#components;
    const { podName, volume } = readLocation(location);
    if (signal?.aborted === true) return error;
    const isLost =
      error instanceof OperationLostError ||
      error instanceof OutcomeUnknownError ||
      error instanceof ExecHandshakeFailedError;
    const reason = isLost ? await this.#findPodFailure(location, error, signal) : error;
    if (reason instanceof PodDeletedError && reason.podName === podName)
      return new VolumeDisappearedError(volume, workerName, { cause: reason });
    return reason;
  }

  /**
   * Returns the failure of the pod after a lost connection. Returns the error itself if the pod
   * runs, or if its state cannot be determined.
   */
  async #findPodFailure(location: StoreLocation, error: Error, signal: AbortSignal | undefined): Promise<Error> {
    return await this.#components.pods.requireAlive(readLocation(location).podName, { signal }).then(
      () => error,
      (gone: unknown) => (gone instanceof PodError ? gone : error),
    );
  }
}

function received({ bytes, sha256, entries }: TransferResult): ReceivedArchive {
  return { rawBytes: bytes, digest: sha256, entries };
}

function readLocation(location: StoreLocation): {
  readonly podName: string;
  readonly owner: string;
  readonly volume: string;
} {
  const { pod: podName = '', owner = '', volume = '' } = location;
  return { podName, owner, volume };
}

function checkPath(path: string): void {
  if (path.includes('\0')) throw new InvalidSpecError('path', 'contains a NUL');
}
