import { readFile } from 'node:fs/promises';

import { bufferFromFileOrString, KubeConfig, type User } from '@kubernetes/client-node';

import { CredentialsUnavailableError } from '../errors/cluster.ts';
import { abortable } from '../internal/abort.ts';
import { runProgram } from '../internal/run-program.ts';
import { CallTimeout } from './call-signal.ts';
import { ClusterAccess } from './cluster-access.ts';
import { environmentProxy } from './environment-proxy.ts';
import { type ExecCredential, readExecCredential, unavailable } from './exec-credential.ts';
import { type ExecPlugin, execInfo, execPluginOf } from './exec-plugin.ts';
import { fieldsOf, textOf } from './fields.ts';
import type { ConfiguredCluster } from './kube-config-files.ts';

/** An access with its expiry. */
export interface ResolvedAccess {
  readonly access: ClusterAccess;
  /**
   * Milliseconds since the epoch. `'files'`: does not expire, but its files may change at any time.
   * `undefined`: does not expire.
   */
  readonly expiresAt: number | 'files' | undefined;
}

export interface ResolveOptions {
  readonly environment: NodeJS.ProcessEnv;
  readonly previous: ClusterAccess | undefined;
  readonly signal: AbortSignal;
}

type UserChanges = Partial<Record<keyof User, string | undefined>>;

const maxAnswerBytes = 1024 * 1024;

/**
 * Acquires the credentials of a configuration: runs its plug-in, or reads its files.
 *
 * @throws CredentialsUnavailableError, or the signal's reason
 */
export async function resolveAccess(kubeConfig: KubeConfig, options: ResolveOptions): Promise<ResolvedAccess> {
  const user = kubeConfig.getCurrentUser();
  try {
    const plugin = user?.token ? undefined : execPluginOf(user);
    if (plugin !== undefined) return await byPlugin(kubeConfig, plugin, options);
    const tokenFile = tokenFileOf(user);
    const changes =
      tokenFile === undefined ? {} : { token: await readTokenFile(tokenFile, options.signal), authProvider: undefined };
    return {
      access: await accessWith(kubeConfig, { ...withoutPlugin(user), ...changes }, options),
      expiresAt: isFixed(user, kubeConfig.getCurrentCluster()) ? undefined : 'files',
    };
  } catch (error) {
    if (error instanceof CredentialsUnavailableError || options.signal.aborted) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new CredentialsUnavailableError(describeUser(user), detail, { retryable: true }, { cause: error });
  }
}

/** Returns the error of a source that timed out. */
export function timeoutError(kubeConfig: KubeConfig, cause: CallTimeout): CredentialsUnavailableError {
  const detail = `timed out after ${cause.waitedMs} ms`;
  return new CredentialsUnavailableError(
    describeUser(kubeConfig.getCurrentUser()),
    detail,
    { retryable: true },
    { cause },
  );
}

async function byPlugin(kubeConfig: KubeConfig, plugin: ExecPlugin, options: ResolveOptions): Promise<ResolvedAccess> {
  const { token, certificate, key, expiresAt } = await runPlugin(kubeConfig, plugin, options);
  const pair =
    certificate === undefined || key === undefined
      ? {}
      : { certData: base64(certificate), certFile: undefined, keyData: base64(key), keyFile: undefined };
  return {
    access: await accessWith(kubeConfig, { ...withoutPlugin(kubeConfig.getCurrentUser()), token, ...pair }, options),
    expiresAt,
  };
}

async function runPlugin(
  kubeConfig: KubeConfig,
  plugin: ExecPlugin,
  { environment, signal }: ResolveOptions,
): Promise<ExecCredential> {
  const cluster: ConfiguredCluster | null = kubeConfig.getCurrentCluster();
  const ca = plugin.provideClusterInfo ? bufferFromFileOrString(cluster?.caFile, cluster?.caData) : null;
  const end = await runProgram(
    {
      command: plugin.command,
      args: plugin.args,
      environment: {
        ...environment,
        ...plugin.environment,
        KUBERNETES_EXEC_INFO: execInfo(plugin, cluster, ca ?? undefined),
      },
      maxOutputBytes: maxAnswerBytes,
    },
    signal,
  );
  if (end.ended !== 'aborted') return readExecCredential(plugin, end);
  const reason: unknown = signal.reason;
  if (!(reason instanceof CallTimeout)) throw reason;
  throw unavailable(plugin, end, {
    detail: `it did not end within ${reason.waitedMs} ms and was killed`,
    retryable: true,
    cause: reason,
  });
}

/**
 * Returns the access of a configuration with a changed user, through the applicable proxy. The
 * caches of client-node's own providers stay shared.
 */
async function accessWith(
  kubeConfig: KubeConfig,
  changes: UserChanges,
  { environment, previous, signal }: ResolveOptions,
): Promise<ClusterAccess> {
  const cluster = kubeConfig.getCurrentCluster();
  const user = kubeConfig.getCurrentUser();
  if (cluster === null) throw new Error('the current context has no cluster');
  const proxyUrl = cluster.proxyUrl || environmentProxy(new URL(cluster.server), environment);
  const resolved = Object.assign(new KubeConfig(), kubeConfig, {
    clusters: [{ ...cluster, proxyUrl }],
    users: user === null ? [] : [{ ...user, ...changes }],
  });
  return await abortable(ClusterAccess.of(resolved, previous), signal);
}

async function readTokenFile(
  { path, substitute }: { readonly path: string; readonly substitute: string | undefined },
  signal: AbortSignal,
): Promise<string> {
  try {
    const token = (await abortable(readFile(path, 'utf8'), signal)).trim();
    if (token === '') throw new Error(`${path} is empty`);
    return token;
  } catch (error) {
    signal.throwIfAborted();
    if (substitute !== undefined) return substitute;
    throw error;
  }
}

function tokenFileOf(
  user: User | null,
): { readonly path: string; readonly substitute: string | undefined } | undefined {
  const config = fieldsOf(fieldsOf(user?.authProvider)['config']);
  const path = textOf(config['tokenFile']);
  return path === undefined ? undefined : { path, substitute: textOf(config['token']) ?? user?.token };
}

/** Removes the plug-in, so that client-node does not run it. */
function withoutPlugin(user: User | null): UserChanges {
  const isInProvider = execPluginOf(user) !== undefined && !user?.exec;
  return { exec: undefined, ...(isInProvider ? { authProvider: undefined } : {}) };
}

/** Returns whether the credentials depend neither on files nor on client-node's own providers. */
function isFixed(user: User | null, cluster: ConfiguredCluster | null): boolean {
  return !user?.authProvider && !user?.certFile && !user?.keyFile && !cluster?.caFile;
}

function describeUser(user: User | null): string {
  const plugin = user?.token ? undefined : execPluginOf(user);
  return plugin === undefined ? `user ${user?.name ?? '(none)'}` : `plug-in ${plugin.command}`;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
