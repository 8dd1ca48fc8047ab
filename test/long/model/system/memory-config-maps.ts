import type { ConfigMap, ConfigMapList, ObjectMetadata } from '../../../../src/kubernetes/cluster.ts';
import { configMapOf } from '../../../../src/pods/agent-config-map.ts';

interface StoredConfigMap {
  readonly configMap: ConfigMap;
  readonly metadata: ObjectMetadata;
}

const dayMs = 86_400_000;

/** The config maps of a cluster: those of hosts, and one of an agent that no pod has used for days. */
export class MemoryConfigMaps {
  readonly #byName = new Map<string, StoredConfigMap>();
  readonly #now: () => number;
  /** The name of the config map that no host needs. */
  readonly oldName: string;

  constructor(now: () => number) {
    this.#now = now;
    const old = configMapOf({ architecture: 'amd64', bytes: Buffer.from('old'), sha256: '0'.repeat(64) });
    this.oldName = old.metadata.name;
    this.#add(old, now() - 2 * dayMs);
  }

  get names(): readonly string[] {
    return [...this.#byName.keys()];
  }

  /** Returns `false` if the name is taken. */
  create(configMap: ConfigMap): boolean {
    if (this.#byName.has(configMap.metadata?.name ?? '')) return false;
    this.#add(configMap, this.#now());
    return true;
  }

  find(name: string): ConfigMap | undefined {
    return this.#byName.get(name)?.configMap;
  }

  list(): ConfigMapList {
    return { configMaps: [...this.#byName.values()].map(({ metadata }) => metadata), at: new Date(this.#now()) };
  }

  delete(name: string, uid: string): boolean {
    if (this.#byName.get(name)?.metadata.uid !== uid) return false;
    return this.#byName.delete(name);
  }

  #add(configMap: ConfigMap, createdAt: number): void {
    const name = configMap.metadata?.name ?? '';
    const added = { name, uid: `uid of ${name}`, creationTimestamp: new Date(createdAt) };
    const metadata: ObjectMetadata = Object.assign({}, configMap.metadata, added);
    this.#byName.set(name, { configMap, metadata });
  }
}
