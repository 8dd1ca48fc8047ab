import type { AbortOptions } from '../../runtime/options.ts';
import type { Cluster } from '../cluster.ts';

/**
 * Returns the texts of the secrets of the type `kubernetes.io/dockerconfigjson`. Secrets that do not
 * exist or have another type are omitted, as the kubelet does.
 */
export async function readPullSecrets(
  cluster: Pick<Cluster, 'getSecret'>,
  names: readonly string[],
  options: AbortOptions = {},
): Promise<readonly string[]> {
  const secrets = await Promise.all([...new Set(names)].map((name) => cluster.getSecret(name, options)));
  return secrets
    .map((secret) => secret?.data?.['.dockerconfigjson'])
    .filter((text) => text !== undefined)
    .map((text) => Buffer.from(text, 'base64').toString());
}
