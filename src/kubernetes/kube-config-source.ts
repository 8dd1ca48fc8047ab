import { KubeConfig } from '@kubernetes/client-node';

import { InvalidSpecError } from '../errors/caller.ts';

/** The configuration of a cluster, and how to read it again when credentials have changed. */
export interface KubeConfigSource {
  /** @throws InvalidSpecError - `kubeConfig`: cannot be read, is not one, or its context leads nowhere */
  load(): KubeConfig;
}

/**
 * Where the configuration comes from: a path; client-node's own object; or the default rules (`KUBECONFIG`, `~/.kube/config`, the service account).
 */
export function kubeConfigSource(given: KubeConfig | string | undefined): KubeConfigSource {
  if (typeof given === 'string') return { load: () => checked(`file ${given}`, () => loadFile(given)) };
  if (given !== undefined) return { load: () => checked('the given configuration', () => copyOf(given)) };
  return { load: () => checked(describeDefault(), loadDefault) };
}

function loadFile(path: string): KubeConfig {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(path);
  return kubeConfig;
}

function loadDefault(): KubeConfig {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromDefault();
  return kubeConfig;
}

/**
 * A copy has its own cache of tokens, so that they are got anew. What only the caller's object knows, authenticators of its own, would be lost in it.
 */
function copyOf(given: KubeConfig): KubeConfig {
  const provider: unknown = given.getCurrentUser()?.authProvider;
  const name = typeof provider === 'object' && provider !== null && 'name' in provider ? provider.name : undefined;
  if (typeof name === 'string' && !['azure', 'gcp', 'exec', 'tokenFile', 'oidc'].includes(name)) return given;
  const { clusters, users, contexts, currentContext } = given;
  const copy = new KubeConfig();
  copy.loadFromOptions({ clusters, users, contexts, currentContext });
  return copy;
}

function checked(subject: string, load: () => KubeConfig): KubeConfig {
  let kubeConfig: KubeConfig;
  try {
    kubeConfig = load();
  } catch (error) {
    throw new InvalidSpecError('kubeConfig', `${subject} cannot be read: ${firstLine(error)}`, { cause: error });
  }
  const problem = findProblem(kubeConfig);
  if (problem !== undefined) throw new InvalidSpecError('kubeConfig', `${subject} ${problem}`);
  return kubeConfig;
}

function findProblem(kubeConfig: KubeConfig): string | undefined {
  const name = kubeConfig.getCurrentContext();
  if (!name) return 'has no current context';
  const context = kubeConfig.getContextObject(name);
  if (!context) return `has no context ${JSON.stringify(name)}, which is its current one`;
  const cluster = kubeConfig.getCluster(context.cluster);
  if (!cluster) return `has no cluster ${JSON.stringify(context.cluster)}, which context ${JSON.stringify(name)} names`;
  // A context may have no user, whatever the type says.
  const user = 'user' in context ? String(context.user ?? '') : '';
  if (user !== '' && !kubeConfig.getUser(user)) return `has no user ${JSON.stringify(user)}, which context ${JSON.stringify(name)} names`;
  if (!/^https?:\/\/./.test(cluster.server) || !URL.canParse(cluster.server))
    return `has ${JSON.stringify(cluster.server)} as the server of cluster ${JSON.stringify(cluster.name)}: not an http(s) URL`;
  if (cluster.server.startsWith('http:') && !cluster.skipTLSVerify)
    return `has a server without TLS (${cluster.server}), and not insecure-skip-tls-verify: true`;
  return undefined;
}

function describeDefault(): string {
  const files = process.env['KUBECONFIG'];
  return files === undefined || files === '' ? 'the default configuration' : `KUBECONFIG=${files}`;
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n', 1)[0] ?? message;
}
