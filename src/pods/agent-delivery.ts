import { AgentNotInstalledError, ConflictError } from '../errors/cluster.ts';
import { abortable } from '../internal/abort.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import type { Architecture } from '../runtime/container.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { AgentBinaryPath } from './agent-binary.ts';
import { architectureIn, readAgentConfigMap, verifyAgentConfigMap } from './agent-config-map.ts';

export interface AgentDeliveryOptions {
  /** @defaultValue detected from the nodes */
  readonly architecture?: Architecture | undefined;
  /** The host's place of the program. @defaultValue that of the package */
  readonly path?: AgentBinaryPath | undefined;
  /** Whether the config map is created if it is missing. @defaultValue `'create'` */
  readonly configMap?: 'create' | 'existing' | undefined;
}

const architectures: readonly Architecture[] = ['amd64', 'arm64'];

/**
 * Delivers the agent's program to the immutable config map that pods mount. Each architecture and
 * build has its own config map.
 */
export class AgentDelivery {
  readonly #cluster: Cluster;
  readonly #options: AgentDeliveryOptions;
  readonly #delivered = new Map<Architecture, Promise<string>>();
  readonly #restoring = new Map<Architecture, Promise<void>>();
  /** The name of this version's config map. `undefined` without its program. */
  readonly #names = new Map<Architecture, Promise<string | undefined>>();
  #detected: Promise<Architecture> | undefined;

  constructor(cluster: Cluster, options: AgentDeliveryOptions = {}) {
    this.#cluster = cluster;
    this.#options = options;
  }

  /** Returns the worker's configured architecture, or the only one of the nodes, or amd64. */
  async architecture(options: AbortOptions = {}): Promise<Architecture> {
    const { architecture } = this.#options;
    if (architecture !== undefined) return architecture;
    this.#detected ??= this.#detect().catch((error: unknown) => {
      this.#detected = undefined;
      throw error;
    });
    return await abortable(this.#detected, options.signal);
  }

  /**
   * Resolves with the name of the config map when the config map exists.
   *
   * @throws AgentNotInstalledError - it does not exist, and the worker must not create it
   * @throws ConflictError - it is not the config map of this version of the library
   */
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
   * Resolves if pods can have the config map: it exists, or the worker may create it. Creates nothing.
   *
   * @throws AgentNotInstalledError, ConflictError - as `ensure`
   */
  async rehearse(options: AbortOptions = {}): Promise<void> {
    if (this.#options.configMap === 'existing') await this.ensure(await this.architecture(options), options);
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

  /**
   * Returns those of the names that are not the name of an older or newer agent's config map: this
   * version's, and every name of an architecture whose program this host does not have.
   */
  async currentNames(names: readonly string[]): Promise<ReadonlySet<string>> {
    const current = new Set<string>();
    for (const name of names) {
      const architecture = architectureIn(name);
      const own = architecture === undefined ? undefined : await this.#nameOf(architecture);
      if (own === undefined || own === name) current.add(name);
    }
    return current;
  }

  async #nameOf(architecture: Architecture): Promise<string | undefined> {
    let name = this.#names.get(architecture);
    if (name === undefined) {
      name = readAgentConfigMap(architecture, this.#options.path).then(
        ({ metadata }) => metadata.name,
        () => undefined,
      );
      this.#names.set(architecture, name);
    }
    return await name;
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
    const { path, configMap: mode } = this.#options;
    const configMap = await readAgentConfigMap(architecture, path);
    const { name } = configMap.metadata;
    // Read first, so that credentials without the right to create config maps suffice where it
    // exists.
    const existing = await this.#cluster.getConfigMap(name);
    if (existing === undefined) {
      if (mode === 'existing') throw new AgentNotInstalledError(this.#cluster.namespace, name);
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
