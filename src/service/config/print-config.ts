import { Document, isMap, isScalar } from 'yaml';
import type { LoadedConfig } from './load-config.ts';
import { formatOrigin, type Origin } from './origin.ts';
import { schemaKeys } from './schema-keys.ts';
import { type ValueTree, valueAt, withValue } from './value-tree.ts';

/** What is printed instead of a secret. */
export const mask = '***';

/** Returns the values of all keys that have one. Secrets are masked. */
export function printableTree({ config }: LoadedConfig): ValueTree {
  return schemaKeys.reduce<ValueTree>((tree, { path, secret }) => {
    const value = valueAt(config, path);
    return value === undefined ? tree : withValue(tree, path, secret ? mask : value);
  }, {});
}

/** Returns the origin of the value of each key that has one. */
export function printableOrigins({ config, origins }: LoadedConfig): Readonly<Record<string, Origin>> {
  return Object.fromEntries(
    schemaKeys
      .filter(({ path }) => valueAt(config, path) !== undefined)
      .map(({ path }) => [path, origins[path] ?? { kind: 'default' }]),
  );
}

/** Returns the configuration as YAML, with the origin of each value as a comment on request. */
export function printYaml(loaded: LoadedConfig, { showOrigin }: { readonly showOrigin: boolean }): string {
  const document = new Document(printableTree(loaded));
  if (showOrigin)
    for (const [path, origin] of Object.entries(printableOrigins(loaded)))
      comment(document, path, ` ${formatOrigin(origin)}`);
  return document.toString({ lineWidth: 0 });
}

/** A comment of a list or an object stands above it: one behind its name would belong to its first element. */
function comment(document: Document, path: string, text: string): void {
  const parts = path.split('.');
  const value = document.getIn(parts, true);
  if (isScalar(value)) {
    value.comment = text;
    return;
  }
  const section = document.getIn(parts.slice(0, -1), true);
  const pair = isMap(section)
    ? section.items.find(({ key }) => isScalar(key) && key.value === parts.at(-1))
    : undefined;
  if (isScalar(pair?.key)) pair.key.commentBefore = text;
}
