import { configSchema } from './config.ts';
import type { ConfigIssue } from './config-error.ts';
import type { ConfigFile } from './config-file.ts';
import { describeType } from './describe-type.ts';
import { fileVariable, variablePrefix } from './key-names.ts';
import type { Origin, Origins } from './origin.ts';
import { formatPath, type PathPart, schemaIssues, unknownKey } from './schema-issues.ts';
import { namesIn, type SchemaKey } from './schema-keys.ts';
import { nearest } from './suggestion.ts';
import { valueOfText } from './text-value.ts';
import { isTree, type ValueTree, valueAt, withValue } from './value-tree.ts';

/** The values of one source, and its problems. */
export interface Source {
  readonly tree: ValueTree;
  /** The origin of each value, by the path of its key. */
  readonly origins: Origins;
  readonly issues: readonly ConfigIssue[];
}

/** Checks the values of a file. */
export function fileSource(file: ConfigFile, keys: readonly SchemaKey[]): Source {
  const { error } = configSchema.safeParse(file.tree);
  const found = error === undefined ? [] : schemaIssues(error, { keys, namesIn, valueAt: valueIn(file.tree) });
  return {
    tree: file.tree,
    origins: Object.fromEntries(
      keys
        .filter(({ path }) => valueAt(file.tree, path) !== undefined)
        .map(({ path }) => [path, file.originOf(path.split('.'), 'value')]),
    ),
    issues: found.map(({ parts, problem, isName }) => ({
      path: formatPath(parts),
      problem,
      origin: file.originOf(parts, isName ? 'name' : 'value'),
    })),
  };
}

/** Checks the variables whose names begin with `KW_`. */
export function variableSource(env: Readonly<Record<string, string | undefined>>, keys: readonly SchemaKey[]): Source {
  const byVariable = new Map(keys.map((key) => [key.env, key]));
  const texts = Object.entries(env).filter(([name]) => name.startsWith(variablePrefix) && name !== fileVariable);
  return textSource(
    texts.flatMap(([name, text]) => (text === undefined ? [] : [{ name, text, key: byVariable.get(name) }])),
    {
      originOf: (variable) => ({ kind: 'environment', variable }),
      unknown: (name) => ({ path: '', problem: unknownVariable(name, [...byVariable.keys()]) }),
    },
  );
}

/** Checks the texts of flags, by the path of the key. */
export function flagSource(flags: Readonly<Record<string, string>>, keys: readonly SchemaKey[]): Source {
  const byPath = new Map(keys.map((key) => [key.path, key]));
  return textSource(
    Object.entries(flags).map(([path, text]) => ({
      name: byPath.get(path)?.flag ?? path,
      text,
      key: byPath.get(path),
    })),
    {
      originOf: (flag) => ({ kind: 'flag', flag }),
      unknown: (path) => ({ path, problem: unknownKey(path, [...byPath.keys()]) }),
    },
  );
}

interface NamedText {
  readonly name: string;
  readonly text: string;
  readonly key: SchemaKey | undefined;
}

interface TextSourceOptions {
  readonly originOf: (name: string) => Origin;
  readonly unknown: (name: string) => Omit<ConfigIssue, 'origin'>;
}

function textSource(texts: readonly NamedText[], { originOf, unknown }: TextSourceOptions): Source {
  const issues: ConfigIssue[] = [];
  const origins: Record<string, Origin> = {};
  let tree: ValueTree = {};
  for (const { name, text, key } of [...texts].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const origin = originOf(name);
    if (key === undefined) {
      issues.push({ ...unknown(name), origin });
      continue;
    }
    const value = valueOfText(key, text);
    const found = value === undefined ? [wholeIssue(key)] : valueIssues(key, value);
    issues.push(...found.map((issue) => ({ ...issue, origin })));
    tree = withValue(tree, key.path, value);
    origins[key.path] = origin;
  }
  return { tree, origins, issues };
}

function wholeIssue({ path, type, schema }: SchemaKey): Omit<ConfigIssue, 'origin'> {
  const form = type === 'list' || type === 'object' || type === 'text or list' ? ' as JSON' : '';
  return { path, problem: `is not ${describeType(schema)}${form}` };
}

function valueIssues(key: SchemaKey, value: unknown): readonly Omit<ConfigIssue, 'origin'>[] {
  const tree = withValue({}, key.path, value);
  const { error } = configSchema.safeParse(tree);
  if (error === undefined) return [];
  return schemaIssues(error, { keys: [key], namesIn, valueAt: valueIn(tree) }).map(({ parts, problem }) => ({
    path: formatPath(parts),
    problem,
  }));
}

function unknownVariable(name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  const suggestion = meant === undefined ? '' : `; did you mean ${meant}?`;
  return `no key of the configuration has this variable${suggestion}`;
}

function valueIn(tree: ValueTree): (parts: readonly PathPart[]) => unknown {
  return (parts) =>
    parts.reduce<unknown>((value, part) => {
      if (Array.isArray(value)) return (value as readonly unknown[])[Number(part)];
      return isTree(value) && Object.hasOwn(value, part) ? value[part] : undefined;
    }, tree);
}
