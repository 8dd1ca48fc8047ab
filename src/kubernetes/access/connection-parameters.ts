import { readFile } from 'node:fs/promises';

import type { Cluster } from '@kubernetes/client-node';
import type { Dispatcher } from 'undici';

import type { ExecTls } from '../../exec/exec-endpoint.ts';
import { byClientNode } from './client-node-parameters.ts';
import type { ConnectionEnds, Credentials, LoadedConfig } from './loaded-config.ts';

/** The address of the API server, and everything that a connection to it needs. */
export interface ConnectionParameters {
  readonly server: string;
  readonly proxy: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: ExecTls;
  /** The connections through the proxy; unused without a proxy. */
  readonly dispatcher?: Dispatcher | undefined;
}

/**
 * Reads the files of a cluster and a user. client-node acquires the credentials of auth providers,
 * and connects through proxies.
 */
export async function connectionParameters(
  config: LoadedConfig,
  { cluster, user, proxy }: ConnectionEnds,
): Promise<ConnectionParameters> {
  const { server } = cluster;
  if (user?.authProvider || proxy !== undefined)
    return { server, proxy, ...(await byClientNode(await config.forClientNode({ cluster, user, proxy }))) };
  return { server, proxy, headers: headersOf(user), tls: await tlsOf(cluster, user) };
}

/** Returns the content of a file, or the bytes of a text in base64. */
export async function fromFileOrData(file: string | undefined, data: string | undefined): Promise<Buffer | undefined> {
  if (file) return await readFile(file);
  return data ? Buffer.from(data, 'base64') : undefined;
}

function headersOf({ token, username, password, impersonateUser }: Credentials = {}): Record<string, string> {
  return {
    ...(impersonateUser ? { 'Impersonate-User': impersonateUser } : {}),
    ...(username ? { Authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` } : {}),
    ...(token ? { Authorization: `Bearer ${token.trim()}` } : {}),
  };
}

async function tlsOf(cluster: Cluster, user: Credentials = {}): Promise<ExecTls> {
  const [ca, cert, key] = await Promise.all([
    fromFileOrData(cluster.caFile, cluster.caData),
    fromFileOrData(user.certFile, user.certData),
    fromFileOrData(user.keyFile, user.keyData),
  ]);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(cluster.tlsServerName ? { servername: cluster.tlsServerName } : {}),
    ...(cluster.skipTLSVerify ? { rejectUnauthorized: false } : {}),
  };
}
