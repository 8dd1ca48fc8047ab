import { configSchema } from './config.ts';
import type { ConfigIssue } from './config-error.ts';
import type { ConfigFile } from './config-file.ts';
import type { SchemaKey } from './schema-keys.ts';
import { type ValueTree, valueAt } from './value-tree.ts';

/** Returns the keys that have no value in the merged sources although their section exists. */
export function missingKeys(
  tree: ValueTree,
  keys: readonly SchemaKey[],
  file: ConfigFile | undefined,
): readonly ConfigIssue[] {
  const preset = configSchema.parse({});
  const hasSection = (path: string): boolean =>
    [tree, preset].some((values) => valueAt(values, sectionOf(path)) !== undefined);
  return keys
    .filter(({ required, path }) => required && valueAt(tree, path) === undefined && hasSection(path))
    .map(({ path, env, flag }) => {
      const section = sectionOf(path);
      const isInFile = file !== undefined && valueAt(file.tree, section) !== undefined;
      return {
        path,
        problem: `is missing: set it in the file, by ${env} or by ${flag}`,
        origin: isInFile ? file.originOf(section.split('.'), 'name') : undefined,
      };
    });
}

function sectionOf(path: string): string {
  return path.split('.').slice(0, -1).join('.');
}
