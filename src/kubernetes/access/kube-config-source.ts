import type { Cluster, KubeConfig, User } from '@kubernetes/client-node';

import { InvalidSpecError } from '../../errors/caller.ts';
import { fieldsOf, textOf } from '../fields.ts';
import { type DefaultPlaces, describeDefaults, loadDefaultKubeConfig } from './default-kube-config.ts';
import { findPluginProblem } from './exec-plugin.ts';
import { readKubeConfig } from './kube-config-files.ts';
import { LoadedConfig } from './loaded-config.ts';

/** The configuration of a cluster. It can be loaded again when credentials have changed. */
export interface KubeConfigSource {
  /**
   * @throws InvalidSpecError - `kubeConfig`: cannot be read, is not a kubeconfig, or its context is
   * incomplete
   */
  load(): Promise<LoadedConfig>;
}

/**
 * Returns the source of a configuration: a path, a configuration of client-node, or the default
 * rules (`KUBECONFIG`, `~/.kube/config`, the service account).
 */
export function kubeConfigSource(given: KubeConfig | string | undefined, places: DefaultPlaces): KubeConfigSource {
  if (typeof given === 'string') return { load: () => checked(`file ${given}`, () => loadFile(given)) };
  if (given !== undefined) return { load: () => checked('the given configuration', async () => configOf(given)) };
  return { load: () => checked(describeDefaults(places), () => loadDefaultKubeConfig(places)) };
}

async function loadFile(path: string): Promise<LoadedConfig> {
  return (await readKubeConfig([path], { mayBeMissing: false })) ?? new LoadedConfig({});
}

/**
 * Returns the configuration of an object of client-node. It has its own cache of tokens, so that
 * tokens are acquired again. Custom authenticators exist only in the caller's object, so that one
 * is used with its cache.
 */
function configOf(given: KubeConfig): LoadedConfig {
  const name = textOf(fieldsOf(given.getCurrentUser()?.authProvider)['name']);
  const isCustom = name !== undefined && !['azure', 'gcp', 'exec', 'tokenFile', 'oidc'].includes(name);
  const { clusters, users, contexts } = given;
  return new LoadedConfig(
    { clusters, users, contexts, currentContext: given.getCurrentContext() },
    isCustom ? given : undefined,
  );
}

async function checked(subject: string, load: () => Promise<LoadedConfig>): Promise<LoadedConfig> {
  let config: LoadedConfig;
  try {
    config = await load();
  } catch (error) {
    throw new InvalidSpecError('kubeConfig', `${subject} cannot be read: ${firstLine(error)}`, { cause: error });
  }
  const problem = findProblem(config);
  if (problem !== undefined) throw new InvalidSpecError('kubeConfig', `${subject} ${problem}`);
  return config;
}

function findProblem(config: LoadedConfig): string | undefined {
  const { currentContext: name, contexts, clusters } = config.entries;
  if (!name && contexts.length === 0 && clusters.length === 0) return 'is empty: it has no current context';
  if (!name) return 'has no current context';
  const context = config.context(name);
  if (!context) return `has no context ${JSON.stringify(name)}, which is its current context`;
  const cluster = config.cluster(context.cluster);
  if (!cluster) return `has no cluster ${JSON.stringify(context.cluster)}, which context ${JSON.stringify(name)} names`;
  // Contrary to its type, a context may have no user.
  const user = 'user' in context ? String(context.user ?? '') : '';
  if (user !== '' && !config.user(user))
    return `has no user ${JSON.stringify(user)}, which context ${JSON.stringify(name)} names`;
  const problem = findUserProblem(config.user(user)) ?? findProxyProblem(cluster);
  if (problem !== undefined) return problem;
  if (!/^https?:\/\/./.test(cluster.server) || !URL.canParse(cluster.server))
    return `has ${JSON.stringify(cluster.server)} as the server of cluster ${JSON.stringify(cluster.name)}: not an http(s) URL`;
  if (cluster.server.startsWith('http:') && !cluster.skipTLSVerify)
    return `has a server without TLS (${cluster.server}), but not insecure-skip-tls-verify: true`;
  return undefined;
}

/** Returns a problem that kubectl rejects as well. */
function findUserProblem(user: User | undefined): string | undefined {
  if (user === undefined) return undefined;
  const subject = `user ${JSON.stringify(user.name)}`;
  if (user.token && user.username) return `has both a token and a name with a password for ${subject}`;
  const { name, config } = fieldsOf(user.authProvider);
  if ((name === 'gcp' || name === 'azure') && textOf(fieldsOf(config)['cmd-path']) !== undefined)
    return `has the auth provider ${name} for ${subject}, which kubectl no longer supports: use an exec plug-in`;
  const problem = findPluginProblem(user);
  return problem === undefined ? undefined : `${problem} (${subject})`;
}

function findProxyProblem({ name, proxyUrl }: Cluster): string | undefined {
  if (!proxyUrl || /^(https?|socks5h?):\/\/./.test(proxyUrl)) return undefined;
  return `has a proxy-url for cluster ${JSON.stringify(name)} that is not an http, https or socks5 URL`;
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n', 1)[0] ?? message;
}
