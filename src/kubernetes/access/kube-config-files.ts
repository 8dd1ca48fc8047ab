import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';

import { hasCode } from '../../internal/has-code.ts';
import { type Fields, fieldsOf, isFields, textOf } from '../fields.ts';
import { clusterOf, contextOf, userOf } from './config-entries.ts';
import { LoadedConfig } from './loaded-config.ts';
import { parseYaml } from './parse-yaml.ts';

/** A kubeconfig file, changed only in that relative paths are absolute. */
interface ConfigFile {
  readonly clusters: readonly Fields[];
  readonly users: readonly Fields[];
  readonly contexts: readonly Fields[];
  readonly currentContext: string;
}

/**
 * Reads kubeconfig files and merges them as kubectl does: the first of several entries with one
 * name applies, and so does the first current context. Paths are relative to their file. An empty
 * file has no effect. Returns `undefined` if none of several files exists.
 */
export async function readKubeConfig(
  paths: readonly string[],
  options: { readonly mayBeMissing: boolean },
): Promise<LoadedConfig | undefined> {
  const read = await Promise.all(paths.map((path) => readConfigFile(path, options)));
  const files = read.filter((file) => file !== undefined);
  if (files.length === 0) return undefined;
  return new LoadedConfig({
    clusters: firstByName(files.flatMap((file) => file.clusters)).map(clusterOf),
    users: firstByName(files.flatMap((file) => file.users)).map(userOf),
    contexts: firstByName(files.flatMap((file) => file.contexts)).map(contextOf),
    currentContext: files.map((file) => file.currentContext).find((name) => name !== ''),
  });
}

async function readConfigFile(
  path: string,
  { mayBeMissing }: { readonly mayBeMissing: boolean },
): Promise<ConfigFile | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (mayBeMissing && hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    return await parseConfigFile(text, dirname(path));
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

async function parseConfigFile(text: string, folder: string): Promise<ConfigFile> {
  const isEmpty = text.split('\n').every((line) => /^\s*(#.*|---\s*)?$/.test(line));
  const content: unknown = isEmpty ? {} : await parseYaml(text);
  if (!isFields(content)) throw new Error('is not a kubeconfig: not a map');
  return {
    clusters: entries(content, 'clusters', 'cluster').map((entry) => ({
      ...entry,
      cluster: absoluteCluster(fieldsOf(entry['cluster']), folder),
    })),
    users: entries(content, 'users', 'user').map((entry) => ({
      ...entry,
      user: absoluteUser(fieldsOf(entry['user']), folder),
    })),
    contexts: entries(content, 'contexts', 'context'),
    currentContext: textOf(content['current-context']) ?? '',
  };
}

function entries(content: Fields, list: string, member: string): readonly Fields[] {
  const found = content[list] ?? [];
  if (!Array.isArray(found)) throw new Error(`${list} is not a list`);
  return found.map((entry: unknown, index) => {
    if (!isFields(entry) || typeof entry['name'] !== 'string' || entry['name'] === '')
      throw new Error(`${list}[${index}].name is missing`);
    return { ...entry, [member]: entry[member] ?? {} };
  });
}

function absoluteCluster(cluster: Fields, folder: string): Fields {
  return { ...cluster, ...absolute(cluster, 'certificate-authority', folder) };
}

/**
 * Converts a token file to client-node's form for the service account of a pod. The token beside it
 * is the fallback.
 */
function absoluteUser({ tokenFile, token, ...user }: Fields, folder: string): Fields {
  const paths = { ...absolute(user, 'client-certificate', folder), ...absolute(user, 'client-key', folder) };
  const plugin = fieldsOf(user['exec']);
  const exec = 'command' in plugin ? { exec: { ...plugin, command: absoluteCommand(plugin['command'], folder) } } : {};
  const credentials =
    typeof tokenFile === 'string' && tokenFile !== ''
      ? { 'auth-provider': { name: 'tokenFile', config: { tokenFile: inFolder(folder, tokenFile), token } } }
      : { token };
  return { ...user, ...paths, ...exec, ...credentials };
}

function absolute(fields: Fields, name: string, folder: string): Fields {
  const path = fields[name];
  return typeof path === 'string' && path !== '' ? { [name]: inFolder(folder, path) } : {};
}

/**
 * Resolves a command with a slash relative to the folder of the kubeconfig. Other commands are
 * looked up in `PATH`.
 */
function absoluteCommand(command: unknown, folder: string): unknown {
  return typeof command === 'string' && command.includes('/') ? inFolder(folder, command) : command;
}

function inFolder(folder: string, path: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}

function firstByName(list: readonly Fields[]): readonly Fields[] {
  return list.filter(({ name }, index) => list.findIndex((other) => other['name'] === name) === index);
}
