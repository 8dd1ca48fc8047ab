import type { Context, User } from '@kubernetes/client-node';

import { type Fields, fieldsOf } from '../fields.ts';
import type { ConfiguredCluster } from './loaded-config.ts';

const pluginExtension = 'client.authentication.k8s.io/exec';

/** Converts a cluster of a kubeconfig file to client-node's form. */
export function clusterOf(entry: Fields, index: number): ConfiguredCluster {
  const cluster = fieldsOf(entry['cluster']);
  const { server } = scalars({ server: cluster['server'] });
  if (server === undefined) throw new Error(`clusters[${index}].cluster.server is missing`);
  return {
    name: String(entry['name']),
    server: server.replace(/\/$/, ''),
    skipTLSVerify: cluster['insecure-skip-tls-verify'] === true,
    ...scalars({
      caData: cluster['certificate-authority-data'],
      caFile: cluster['certificate-authority'],
      tlsServerName: cluster['tls-server-name'],
      proxyUrl: cluster['proxy-url'],
    }),
    ...pluginConfigOf(cluster['extensions']),
  };
}

/** Converts a user of a kubeconfig file to client-node's form. */
export function userOf(entry: Fields): User {
  const user = fieldsOf(entry['user']);
  return {
    name: String(entry['name']),
    authProvider: user['auth-provider'],
    exec: user['exec'],
    ...scalars({
      certData: user['client-certificate-data'],
      certFile: user['client-certificate'],
      keyData: user['client-key-data'],
      keyFile: user['client-key'],
      token: user['token'],
      username: user['username'],
      password: user['password'],
      impersonateUser: user['as'],
    }),
  };
}

/** Converts a context of a kubeconfig file to client-node's form. */
export function contextOf(entry: Fields, index: number): Context {
  const context = fieldsOf(entry['context']);
  const {
    cluster,
    user = '',
    namespace,
  } = scalars({
    cluster: context['cluster'],
    user: context['user'],
    namespace: context['namespace'],
  });
  if (cluster === undefined) throw new Error(`contexts[${index}].context.cluster is missing`);
  return { name: String(entry['name']), cluster, user, ...(namespace === undefined ? {} : { namespace }) };
}

function pluginConfigOf(extensions: unknown): Pick<ConfiguredCluster, 'pluginConfig'> {
  if (!Array.isArray(extensions)) return {};
  const found: unknown = extensions.find((extension: unknown) => fieldsOf(extension)['name'] === pluginExtension);
  return found === undefined ? {} : { pluginConfig: fieldsOf(found)['extension'] };
}

/** Returns the fields as texts, because YAML reads a password of digits as a number. */
function scalars<Name extends string>(fields: Readonly<Record<Name, unknown>>): Partial<Record<Name, string>> {
  const texts: Partial<Record<Name, string>> = {};
  for (const [name, value] of Object.entries(fields) as [Name, unknown][]) {
    if (typeof value === 'number' || typeof value === 'boolean') texts[name] = String(value);
    else if (typeof value === 'string' && value !== '') texts[name] = value;
  }
  return texts;
}
