import { ConflictError } from '../errors/cluster.ts';
import { abortable } from '../internal/abort.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import type { Architecture } from '../runtime/container.ts';
import type { AbortOptions } from '../runtime/options.ts';
import { agentConfigMap, verifyAgentConfigMap } from './agent-config-map.ts';

const architectures: readonly Architecture[] = ['amd64', 'arm64'];

/** Sees to it that the agent's program is where pods mount it from: in an immutable config map, one per architecture and build. */
export class AgentDelivery {
  readonly #cluster: Cluster;
  readonly #wanted: Architecture | undefined;
  readonly #delivered = new Map<Architecture, Promise<string>>();
  #detected: Promise<Architecture> | undefined;

  constructor(cluster: Cluster, wanted: Architecture | undefined) {
    this.#cluster = cluster;
    this.#wanted = wanted;
  }

  /** The worker's, else the only one that the nodes have, else amd64. */
  async architecture(options: AbortOptions = {}): Promise<Architecture> {
    if (this.#wanted !== undefined) return this.#wanted;
    this.#detected ??= this.#detect().catch((error: unknown) => {
      this.#detected = undefined;
      throw error;
    });
    return await abortable(this.#detected, options.signal);
  }

  /** The name of the config map, which is there when this resolves. */
  async ensure(architecture: Architecture, options: AbortOptions = {}): Promise<string> {
    let delivered = this.#delivered.get(architecture);
    if (delivered === undefined) {
      delivered = this.#deliver(architecture);
      this.#delivered.set(architecture, delivered);
      delivered.catch(() => this.#delivered.delete(architecture));
    }
    return await abortable(delivered, options.signal);
  }

  /** Somebody deleted the config map: delivers it again. */
  async repeat(architecture: Architecture, options: AbortOptions = {}): Promise<string> {
    this.#delivered.delete(architecture);
    return await this.ensure(architecture, options);
  }

  async #detect(): Promise<Architecture> {
    const found = new Set(await this.#cluster.nodeArchitectures());
    const possible = architectures.filter((architecture) => found.has(architecture));
    return possible.length === 1 && possible[0] !== undefined ? possible[0] : 'amd64';
  }

  async #deliver(architecture: Architecture): Promise<string> {
    const configMap = await agentConfigMap(architecture);
    const { name } = configMap.metadata;
    // Looked for first: a caller that may not create it, but finds it, can work.
    const existing = await this.#cluster.getConfigMap(name);
    if (existing === undefined) {
      try {
        await this.#cluster.createConfigMap(configMap);
        return name;
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
      }
    }
    verifyAgentConfigMap(existing ?? (await this.#cluster.getConfigMap(name)), configMap);
    return name;
  }
}
