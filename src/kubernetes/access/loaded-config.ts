import type { Cluster, Context, KubeConfig, User } from '@kubernetes/client-node';

import { isFields } from '../fields.ts';

/** A cluster of a kubeconfig, with its configuration for credential plug-ins. */
export interface ConfiguredCluster extends Cluster {
  readonly pluginConfig?: unknown;
}

/** The user of a kubeconfig, with acquired credentials. */
export type Credentials = { readonly [Field in keyof User]?: User[Field] | undefined };

/** What a connection leads to, as whom, and through which proxy. */
export interface ConnectionEnds {
  readonly cluster: Cluster;
  readonly user: Credentials | undefined;
  readonly proxy: string | undefined;
}

/** The entries of a kubeconfig, in client-node's form. */
export interface ConfigEntries {
  readonly clusters: readonly ConfiguredCluster[];
  readonly users: readonly User[];
  readonly contexts: readonly Context[];
  readonly currentContext: string | undefined;
}

/**
 * A kubeconfig. client-node's own object for it exists only where its credential providers or its
 * proxies are used: client-node loads 900 files, most of them classes of Kubernetes objects.
 */
export class LoadedConfig {
  readonly entries: ConfigEntries;
  #clientNode: KubeConfig | undefined;

  /** @param given - an object of client-node with providers that only it has */
  constructor(entries: Partial<ConfigEntries>, given?: KubeConfig) {
    const { clusters = [], users = [], contexts = [], currentContext } = entries;
    this.entries = { clusters, users, contexts, currentContext };
    this.#clientNode = given;
  }

  context(name: string): Context | undefined {
    return findEntry(this.entries.contexts, name, 'context');
  }

  cluster(name: string): ConfiguredCluster | undefined {
    return findEntry(this.entries.clusters, name, 'cluster');
  }

  user(name: string): User | undefined {
    return findEntry(this.entries.users, name, 'user');
  }

  get currentContext(): Context | undefined {
    const { currentContext } = this.entries;
    return currentContext === undefined ? undefined : this.context(currentContext);
  }

  get currentCluster(): ConfiguredCluster | undefined {
    const { currentContext: context } = this;
    return context === undefined ? undefined : this.cluster(context.cluster);
  }

  get currentUser(): User | undefined {
    const { currentContext: context } = this;
    return context === undefined ? undefined : this.user(context.user);
  }

  /**
   * Returns client-node's object for a cluster and a user. The caches of its credential providers
   * are those of this configuration.
   */
  async forClientNode({ cluster, user, proxy }: ConnectionEnds): Promise<KubeConfig> {
    // Imported where it is needed: loading it takes longer than loading the library.
    const { KubeConfig } = await import('@kubernetes/client-node');
    this.#clientNode ??= new KubeConfig();
    const context = { name: 'context', cluster: cluster.name, user: user?.name ?? '' };
    return Object.assign(new KubeConfig(), this.#clientNode, {
      clusters: [{ ...cluster, proxyUrl: proxy }],
      users: user === undefined ? [] : [user],
      contexts: [context],
      currentContext: context.name,
    });
  }
}

/** Finds an entry. client-node also accepts entries whose fields are in a member, as in a file. */
function findEntry<T extends { readonly name: string }>(
  entries: readonly T[],
  name: string,
  member: string,
): T | undefined {
  const entry = entries.find((candidate) => candidate.name === name);
  const inner: unknown = entry === undefined ? undefined : Reflect.get(entry, member);
  return entry !== undefined && isFields(inner) ? { ...entry, ...inner, name } : entry;
}
