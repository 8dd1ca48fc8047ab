import type { ServiceConfig } from './config.ts';
import type { ConfigIssue } from './config-error.ts';
import type { ConfigFile } from './config-file.ts';
import type { SchemaKey } from './schema-keys.ts';
import { valueAt } from './value-tree.ts';

/** Returns the keys that have no value although their section exists. */
export function missingKeys(
  config: ServiceConfig,
  keys: readonly SchemaKey[],
  file: ConfigFile | undefined,
): readonly ConfigIssue[] {
  return keys
    .filter(({ required, path }) => required && valueAt(config, path) === undefined && hasSection(config, path))
    .map(({ path, env, flag }) => {
      const section = path.split('.').slice(0, -1);
      const isInFile = file !== undefined && valueAt(file.tree, section.join('.')) !== undefined;
      return {
        path,
        problem: `is missing: set it in the file, by ${env} or by ${flag}`,
        origin: isInFile ? file.originOf(section, 'name') : undefined,
      };
    });
}

function hasSection(config: ServiceConfig, path: string): boolean {
  return valueAt(config, path.split('.').slice(0, -1).join('.')) !== undefined;
}
