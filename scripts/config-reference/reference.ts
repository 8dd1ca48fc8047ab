import { describeType } from '../../src/service/config/describe-type.ts';
import type { SchemaKey } from '../../src/service/config/schema-keys.ts';
import { introduction, sections } from './prose.ts';
import { wrap } from './wrap.ts';

/** Returns the reference of all keys, in Markdown. */
export function reference(keys: readonly SchemaKey[]): string {
  const names = [...new Set(keys.map(sectionOf))];
  return [introduction, ...names.map((name) => sectionText(name, keys))].join('\n\n').concat('\n');
}

/** Keys of a section within a section have a heading of their own, such as `stores.s3`. */
function sectionOf({ path }: SchemaKey): string {
  return path.split('.').slice(0, -1).join('.');
}

function sectionText(name: string, keys: readonly SchemaKey[]): string {
  const text = sections[name];
  if (text === undefined) throw new Error(`the section ${name} has no text in scripts/config-reference/prose.ts`);
  const own = keys.filter((key) => sectionOf(key) === name);
  return [`## ${name}`, wrap(text), ...own.map(keyText)].join('\n\n');
}

function keyText(key: SchemaKey): string {
  const { path, env, flag, facts, schema, reload, secret } = key;
  const rows = [
    ['Type', escaped(describeType(schema)) + unitOf(path)],
    ['Default', defaultOf(key)],
    ['Names', `\`${env}\`, \`${flag}\``],
    ['Changes', reload === 'live' ? 'applied while the service runs' : 'applied at the next start'],
    ...(secret ? [['Secret', 'never printed']] : []),
    ['Example', exampleOf(path, facts.example)],
  ];
  const table = ['| | |', '|---|---|', ...rows.map(([name, value]) => `| ${name ?? ''} | ${value ?? ''} |`)];
  return [`### ${path}`, wrap(facts.description), table.join('\n')].join('\n\n');
}

function unitOf(path: string): string {
  if (path.endsWith('Ms')) return ', in milliseconds';
  return path.endsWith('Bytes') ? ', in bytes' : '';
}

function defaultOf({ default: preset, required, path, facts }: SchemaKey): string {
  if (preset !== undefined) return `\`${JSON.stringify(preset)}\``;
  if (required) return path === 'worker.name' ? 'none: required' : 'none: required if the section is used';
  return escaped(facts.unset ?? 'none');
}

/** Returns an example in the form of a line of YAML, whose values JSON is a subset of. */
function exampleOf(path: string, value: unknown): string {
  return `\`${path.split('.').at(-1) ?? ''}: ${escaped(typeof value === 'string' ? value : JSON.stringify(value))}\``;
}

/** A bar ends a cell of a table. */
function escaped(text: string): string {
  return text.replaceAll('|', '\\|');
}
