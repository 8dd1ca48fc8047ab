import { open } from 'node:fs/promises';

import { type Document, isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument, type YAMLError } from 'yaml';

import { codeOf } from '../error-facts.ts';
import { ConfigError, type ConfigIssue } from './config-error.ts';
import type { Origin } from './origin.ts';
import type { PathPart } from './schema-issues.ts';
import { isTree, type ValueTree } from './value-tree.ts';

/** The maximum size of a configuration file: that of a ConfigMap. */
const maxBytes = 1_048_576;

/** What a configuration file holds. */
export interface ConfigFile {
  readonly path: string;
  readonly tree: ValueTree;
  /**
   * Returns the position of a value, or of its name. A value that is missing has the position of what
   * contains it.
   */
  originOf(parts: readonly PathPart[], of: 'name' | 'value'): Origin;
}

/**
 * Reads a configuration file in YAML or JSON.
 *
 * @throws ConfigError if the file cannot be read or parsed
 */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  return parseConfigFile(path, await readText(path));
}

async function readText(path: string): Promise<string> {
  const fail = (problem: string): ConfigError =>
    new ConfigError([{ path: '', problem, origin: { kind: 'file', file: path } }]);
  try {
    await using file = await open(path, 'r');
    const status = await file.stat();
    if (!status.isFile()) throw fail('is not a regular file');
    if (status.size > maxBytes) throw fail(`has ${status.size} bytes; the maximum is ${maxBytes}`);
    return await file.readFile('utf8');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw fail(`cannot be read (${codeOf(error) ?? 'unknown error'})`);
  }
}

/** @throws ConfigError if the text is not a YAML document that holds keys */
export function parseConfigFile(path: string, text: string): ConfigFile {
  const lines = new LineCounter();
  const originAt = (offset: number): Origin => {
    const { line, col } = lines.linePos(offset);
    return { kind: 'file', file: path, line, column: col };
  };
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) throw new ConfigError(faults.map((fault) => yamlIssue(fault, originAt)));
  return {
    path,
    tree: treeOf(document, { kind: 'file', file: path }),
    originOf: (parts, of) => originAt(offsetOf(document, parts, of)),
  };
}

/** The problems of YAML that have words of their own. Yaml's messages may quote the file. */
const yamlProblems: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'the key occurs twice',
  MULTIPLE_DOCS: 'the file has more than one YAML document',
  TAB_AS_INDENT: 'a tab is not an indentation',
  BAD_INDENT: 'the indentation is wrong, or a bracket is not closed',
  MISSING_CHAR: 'a character is missing, such as a quote or a comma',
};

function yamlIssue({ code, pos }: YAMLError, originAt: (offset: number) => Origin): ConfigIssue {
  const problem = yamlProblems[code] ?? `is not valid YAML (${code.toLowerCase().replaceAll('_', ' ')})`;
  return { path: '', problem, origin: originAt(pos[0]) };
}

function treeOf(document: Document, origin: Origin): ValueTree {
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch {
    throw new ConfigError([{ path: '', problem: 'has an alias that cannot be resolved', origin }]);
  }
  if (value === null || value === undefined) return {};
  if (!isTree(value)) throw new ConfigError([{ path: '', problem: 'is not an object with sections', origin }]);
  return value;
}

/** Returns the offset of a value or its name, or of the deepest one that exists on the way to it. */
function offsetOf(document: Document, parts: readonly PathPart[], of: 'name' | 'value'): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [depth, part] of parts.entries()) {
    const pair = isMap(node) ? node.items.find((item) => nameOf(item) === String(part)) : undefined;
    node = isSeq(node) ? node.items[Number(part)] : pair?.value;
    const name = startOf(pair?.key);
    const isLast = depth === parts.length - 1;
    offset = (isLast && of === 'name' ? name : startOf(node)) ?? name ?? offset;
  }
  return offset;
}

function nameOf({ key }: Pair): string | undefined {
  return isScalar(key) ? String(key.value) : undefined;
}

/** Returns where a node starts. */
function startOf(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) return undefined;
  const start: unknown = node.range[0];
  return typeof start === 'number' ? start : undefined;
}
