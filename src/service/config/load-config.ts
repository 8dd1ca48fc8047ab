import { access } from 'node:fs/promises';

import { configSchema, type ServiceConfig } from './config.ts';
import { ConfigError, type ConfigIssue } from './config-error.ts';
import { type ConfigFile, readConfigFile } from './config-file.ts';
import { crossIssues } from './cross-checks.ts';
import { fileVariable } from './key-names.ts';
import { missingKeys } from './missing-keys.ts';
import type { Origin, Origins } from './origin.ts';
import { schemaKeys } from './schema-keys.ts';
import { fileSource, flagSource, type Source, variableSource } from './sources.ts';
import { type ValueTree, valueAt, withValue } from './value-tree.ts';

/** Where the configuration comes from. A flag has precedence over a variable, and a variable over the file. */
export interface ConfigSources {
  /** The path of the file, as given by `--config`. The file must exist. */
  readonly file?: string | undefined;
  /** The environment: `KW_…`, and `KW_CONFIG` with the path of the file. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The texts of flags, by the path of the key, such as `worker.name`. */
  readonly flags?: Readonly<Record<string, string>> | undefined;
  /** The file that is read if none is given and it exists. */
  readonly defaultFile?: string | undefined;
}

/** The configuration, and where its values come from. */
export interface LoadedConfig {
  readonly config: ServiceConfig;
  readonly origins: Origins;
  /** The path of the file. `undefined` if there is none. */
  readonly file: string | undefined;
}

/** The file of an installation. */
const defaultConfigFile = '/etc/kubernetes-worker/config.yaml';

/**
 * Loads the configuration from all its sources.
 *
 * @throws ConfigError if a source is invalid, or if values contradict each other; it has all problems
 */
export async function loadConfig(sources: ConfigSources): Promise<LoadedConfig> {
  const path = await pathOf(sources);
  const issues: ConfigIssue[] = [];
  const file = path === undefined ? undefined : await readOrReport(path, issues);
  const all: readonly Source[] = [
    ...(file === undefined ? [] : [fileSource(file, schemaKeys)]),
    variableSource(sources.env, schemaKeys),
    flagSource(sources.flags ?? {}, schemaKeys),
  ];
  const { tree, origins } = merge(all);
  // What is missing is not known if the file cannot be read.
  if (issues.length === 0) issues.push(...missingKeys(tree, schemaKeys, file));
  issues.push(...all.flatMap((source) => source.issues));
  if (issues.length > 0) throw new ConfigError(issues);
  const config = configSchema.parse(tree);
  const contradictions = crossIssues(config, origins);
  if (contradictions.length > 0) throw new ConfigError(contradictions);
  return { config, origins, file: path };
}

async function pathOf({ file, env, defaultFile = defaultConfigFile }: ConfigSources): Promise<string | undefined> {
  const given = file ?? env[fileVariable];
  if (given === '')
    throw new ConfigError([{ path: '', problem: `the path of the file is empty (--config, ${fileVariable})` }]);
  if (given !== undefined) return given;
  return access(defaultFile).then(
    () => defaultFile,
    () => undefined,
  );
}

async function readOrReport(path: string, issues: ConfigIssue[]): Promise<ConfigFile | undefined> {
  try {
    return await readConfigFile(path);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    issues.push(...error.issues);
    return undefined;
  }
}

/** Merges valid sources, key by key. A list and an object of a later source replace those of an earlier one. */
function merge(sources: readonly Source[]): { readonly tree: ValueTree; readonly origins: Origins } {
  const origins: Record<string, Origin> = {};
  let tree: ValueTree = {};
  for (const source of sources) {
    for (const [path, origin] of Object.entries(source.origins)) {
      tree = withValue(tree, path, valueAt(source.tree, path));
      origins[path] = origin;
    }
  }
  return { tree, origins };
}
