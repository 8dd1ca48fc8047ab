import type { User } from '@kubernetes/client-node';

import { type Fields, fieldsOf, isFields, textOf } from '../fields.ts';
import type { ConfiguredCluster } from './loaded-config.ts';

/** A program of a kubeconfig that prints credentials. */
export interface ExecPlugin {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly apiVersion: string;
  readonly provideClusterInfo: boolean;
  readonly installHint: string | undefined;
}

const apiVersions = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'];

/** Returns the plug-in of a user; `undefined` if the user has none. */
export function execPluginOf(user: User | undefined): ExecPlugin | undefined {
  const fields = pluginFieldsOf(user);
  if (fields === undefined) return undefined;
  const { args, env, installHint } = fields;
  return {
    command: textOf(fields['command']) ?? '',
    args: Array.isArray(args) ? args.map(String) : [],
    environment: Object.fromEntries(listOf(env).map(({ name, value }) => [textOf(name) ?? '', textOf(value) ?? ''])),
    apiVersion: textOf(fields['apiVersion']) ?? '',
    provideClusterInfo: fields['provideClusterInfo'] === true,
    installHint: textOf(installHint),
  };
}

/**
 * Returns the problem with a user's plug-in, by kubectl's rules. The library never provides a
 * terminal for a plug-in.
 */
export function findPluginProblem(user: User): string | undefined {
  const fields = pluginFieldsOf(user);
  if (fields === undefined) return undefined;
  if (textOf(fields['command']) === undefined) return 'has no command for its credential plug-in';
  const apiVersion = textOf(fields['apiVersion']);
  if (apiVersion === undefined || !apiVersions.includes(apiVersion))
    return `has ${apiVersion === undefined ? 'no apiVersion' : `the apiVersion ${JSON.stringify(apiVersion)}`} for its credential plug-in, not ${apiVersions.join(' or ')}`;
  if (fields['interactiveMode'] === 'Always')
    return 'has a credential plug-in that needs a terminal (interactiveMode: Always)';
  return undefined;
}

/**
 * Returns the value of `KUBERNETES_EXEC_INFO`. `ca` is the cluster's certificate authority, if it
 * has one.
 */
export function execInfo(plugin: ExecPlugin, cluster: ConfiguredCluster | undefined, ca: Buffer | undefined): string {
  const info = plugin.provideClusterInfo && cluster !== undefined ? { cluster: clusterInfo(cluster, ca) } : {};
  return JSON.stringify({
    kind: 'ExecCredential',
    apiVersion: plugin.apiVersion,
    spec: { ...info, interactive: false },
  });
}

function clusterInfo(cluster: ConfiguredCluster, ca: Buffer | undefined): Fields {
  const { server, tlsServerName, skipTLSVerify, proxyUrl, pluginConfig } = cluster;
  return {
    server,
    ...(tlsServerName ? { 'tls-server-name': tlsServerName } : {}),
    ...(skipTLSVerify ? { 'insecure-skip-tls-verify': true } : {}),
    ...(ca === undefined ? {} : { 'certificate-authority-data': ca.toString('base64') }),
    ...(proxyUrl ? { 'proxy-url': proxyUrl } : {}),
    config: pluginConfig ?? null,
  };
}

/**
 * Returns the fields of a user's plug-in, which client-node's own form has within `authProvider`.
 */
function pluginFieldsOf(user: User | undefined): Fields | undefined {
  const own: unknown = user?.exec;
  if (isFields(own)) return own;
  const exec = fieldsOf(fieldsOf(user?.authProvider)['config'])['exec'];
  return isFields(exec) ? exec : undefined;
}

function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : [];
}
