import type { AgentClient } from '../../src/agent-client/agent-client.ts';
import type { AbortOptions } from '../../src/runtime/options.ts';
import type { CopyOptions, ReceivedArchive, StoreLocation } from '../../src/stores/artifact-store.ts';
import type { ArchiveFrames, FrameSource, FrameStore, FramesEnd } from '../../src/stores/frame-store.ts';

/** The volumes of one agent, without a pod around it. The location has the name of the volume. */
export class AgentFrames implements FrameStore {
  readonly #client: AgentClient;

  constructor(client: AgentClient) {
    this.#client = client;
  }

  async sendFrames({ volume = '' }: StoreLocation, options: AbortOptions = {}): Promise<ArchiveFrames> {
    return await this.#client.sendFrames({ volume }, options);
  }

  async receiveFrames(
    { volume = '' }: StoreLocation,
    source: FrameSource,
    { signal, generation, progress }: CopyOptions = {},
  ): Promise<ReceivedArchive> {
    const options = { signal, received: progress };
    const { bytes, sha256, entries } = await this.#client.receiveFrames({ volume, generation }, source, options);
    return { rawBytes: bytes, digest: sha256, entries };
  }

  async digestOf({ volume = '' }: StoreLocation, options: AbortOptions = {}): Promise<FramesEnd> {
    const { bytes, sha256 } = await this.#client.digest({ volume }, options);
    return { rawBytes: bytes, digest: sha256 };
  }
}
