import { ConflictError } from '../errors/cluster.ts';
import { abortable } from '../internal/abort.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import type { Architecture } from '../runtime/container.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { AgentBinaryPath } from './agent-binary.ts';
import { agentConfigMap, verifyAgentConfigMap } from './agent-config-map.ts';

const architectures: readonly Architecture[] = ['amd64', 'arm64'];

/**
 * Delivers the agent's program to the immutable config map that pods mount. Each architecture and
 * build has its own config map.
 */
export class AgentDelivery {
  readonly #cluster: Cluster;
  readonly #configured: Architecture | undefined;
  readonly #path: AgentBinaryPath | undefined;
  readonly #delivered = new Map<Architecture, Promise<string>>();
  readonly #restoring = new Map<Architecture, Promise<void>>();
  #detected: Promise<Architecture> | undefined;

  /** @param path - the host's place of the program; without it, that of the package */
  constructor(cluster: Cluster, configured: Architecture | undefined, path?: AgentBinaryPath) {
    this.#cluster = cluster;
    this.#configured = configured;
    this.#path = path;
  }

  /** Returns the worker's configured architecture, or the only one of the nodes, or amd64. */
  async architecture(options: AbortOptions = {}): Promise<Architecture> {
    if (this.#configured !== undefined) return this.#configured;
    this.#detected ??= this.#detect().catch((error: unknown) => {
      this.#detected = undefined;
      throw error;
    });
    return await abortable(this.#detected, options.signal);
  }

  /** Resolves with the name of the config map when the config map exists. */
  async ensure(architecture: Architecture, options: AbortOptions = {}): Promise<string> {
    let delivered = this.#delivered.get(architecture);
    if (delivered === undefined) {
      delivered = this.#deliver(architecture);
      this.#delivered.set(architecture, delivered);
      delivered.catch(() => this.#delivered.delete(architecture));
    }
    return await abortable(delivered, options.signal);
  }

  /**
   * Creates the config map again if it was deleted. Concurrent calls share one request, which reads
   * no content.
   */
  async restore(architecture: Architecture, options: AbortOptions = {}): Promise<void> {
    let restoring = this.#restoring.get(architecture);
    if (restoring === undefined) {
      restoring = this.#restore(architecture).finally(() => this.#restoring.delete(architecture));
      this.#restoring.set(architecture, restoring);
    }
    await abortable(restoring, options.signal);
  }

  async #detect(): Promise<Architecture> {
    const found = new Set(await this.#cluster.nodeArchitectures());
    const possible = architectures.filter((architecture) => found.has(architecture));
    return possible.length === 1 && possible[0] !== undefined ? possible[0] : 'amd64';
  }

  async #restore(architecture: Architecture): Promise<void> {
    if (await this.#cluster.hasConfigMap(await this.ensure(architecture))) return;
    this.#delivered.delete(architecture);
    await this.ensure(architecture);
  }

  async #deliver(architecture: Architecture): Promise<string> {
    const configMap = await agentConfigMap(architecture, this.#path);
    const { name } = configMap.metadata;
    // Read first, so that credentials without the right to create config maps suffice where it
    // exists.
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
