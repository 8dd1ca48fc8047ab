import { readFile } from 'node:fs/promises';

import type { User } from '@kubernetes/client-node';

import { CredentialsUnavailableError } from '../../errors/cluster.ts';
import { abortable } from '../../internal/abort.ts';
import { runProgram } from '../../internal/run-program.ts';
import { CallTimeout } from '../call-signal.ts';
import { fieldsOf, textOf } from '../fields.ts';
import { ClusterAccess } from './cluster-access.ts';
import { connectionParameters, fromFileOrData } from './connection-parameters.ts';
import { environmentProxy } from './environment-proxy.ts';
import { type ExecCredential, readExecCredential, unavailable } from './exec-credential.ts';
import { type ExecPlugin, execInfo, execPluginOf } from './exec-plugin.ts';
import type { ConfiguredCluster, Credentials, LoadedConfig } from './loaded-config.ts';

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

const maxAnswerBytes = 1024 * 1024;

/**
 * Acquires the credentials of a configuration: runs its plug-in, or reads its files.
 *
 * @throws CredentialsUnavailableError, or the signal's reason
 */
export async function resolveAccess(config: LoadedConfig, options: ResolveOptions): Promise<ResolvedAccess> {
  const user = config.currentUser;
  try {
    const plugin = user?.token ? undefined : execPluginOf(user);
    if (plugin !== undefined) return await byPlugin(config, plugin, options);
    const tokenFile = tokenFileOf(user);
    const changes =
      tokenFile === undefined ? {} : { token: await readTokenFile(tokenFile, options.signal), authProvider: undefined };
    return {
      access: await accessWith(config, { ...withoutPlugin(user), ...changes }, options),
      expiresAt: isFixed(user, config.currentCluster) ? undefined : 'files',
    };
  } catch (error) {
    if (error instanceof CredentialsUnavailableError || options.signal.aborted) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new CredentialsUnavailableError(describeUser(user), detail, { retryable: true }, { cause: error });
  }
}

/** Returns the error of a source that timed out. */
export function timeoutError(config: LoadedConfig, cause: CallTimeout): CredentialsUnavailableError {
  const detail = `timed out after ${cause.waitedMs} ms`;
  return new CredentialsUnavailableError(describeUser(config.currentUser), detail, { retryable: true }, { cause });
}

async function byPlugin(config: LoadedConfig, plugin: ExecPlugin, options: ResolveOptions): Promise<ResolvedAccess> {
  const { token, certificate, key, expiresAt } = await runPlugin(config, plugin, options);
  const pair =
    certificate === undefined || key === undefined
      ? {}
      : { certData: base64(certificate), certFile: undefined, keyData: base64(key), keyFile: undefined };
  return {
    access: await accessWith(config, { ...withoutPlugin(config.currentUser), token, ...pair }, options),
    expiresAt,
  };
}

async function runPlugin(
  config: LoadedConfig,
  plugin: ExecPlugin,
  { environment, signal }: ResolveOptions,
): Promise<ExecCredential> {
  const cluster = config.currentCluster;
  const ca = plugin.provideClusterInfo ? await fromFileOrData(cluster?.caFile, cluster?.caData) : undefined;
  const end = await runProgram(
    {
      command: plugin.command,
      args: plugin.args,
      environment: {
        ...environment,
        ...plugin.environment,
        KUBERNETES_EXEC_INFO: execInfo(plugin, cluster, ca),
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

/** Returns the access of a configuration with a changed user, through the applicable proxy. */
async function accessWith(
  config: LoadedConfig,
  changes: Credentials,
  { environment, previous, signal }: ResolveOptions,
): Promise<ClusterAccess> {
  const { currentCluster: cluster, currentUser: user } = config;
  if (cluster === undefined) throw new Error('the current context has no cluster');
  const proxy = cluster.proxyUrl || environmentProxy(new URL(cluster.server), environment);
  const changed = user === undefined ? undefined : { ...user, ...changes };
  const parameters = await abortable(connectionParameters(config, { cluster, user: changed, proxy }), signal);
  return await ClusterAccess.of(parameters, previous);
}

async function readTokenFile(
  { path, substitute }: { readonly path: string; readonly substitute: string | undefined },
  signal: AbortSignal,
): Promise<string> {
  try {
    const token = await abortable(readFile(path, 'utf8'), signal);
    if (token.trim() === '') throw new Error(`${path} is empty`);
    return token;
  } catch (error) {
    signal.throwIfAborted();
    if (substitute !== undefined) return substitute;
    throw error;
  }
}

function tokenFileOf(
  user: User | undefined,
): { readonly path: string; readonly substitute: string | undefined } | undefined {
  const config = fieldsOf(fieldsOf(user?.authProvider)['config']);
  const path = textOf(config['tokenFile']);
  return path === undefined ? undefined : { path, substitute: textOf(config['token']) ?? user?.token };
}

/** Removes the plug-in, so that client-node does not run it. */
function withoutPlugin(user: User | undefined): Credentials {
  const isInProvider = execPluginOf(user) !== undefined && !user?.exec;
  return { exec: undefined, ...(isInProvider ? { authProvider: undefined } : {}) };
}

/** Returns whether the credentials depend neither on files nor on client-node's own providers. */
function isFixed(user: User | undefined, cluster: ConfiguredCluster | undefined): boolean {
  return !user?.authProvider && !user?.certFile && !user?.keyFile && !cluster?.caFile;
}

function describeUser(user: User | undefined): string {
  const plugin = user?.token ? undefined : execPluginOf(user);
  return plugin === undefined ? `user ${user?.name ?? '(none)'}` : `plug-in ${plugin.command}`;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
