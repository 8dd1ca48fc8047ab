import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';

const root = fileURLToPath(new URL('../../', import.meta.url));
const fence = /```ts\n(.*?)```/gs;

/** A piece of TypeScript in the documentation. */
export interface Snippet {
  /** The symbol that it documents, or its document and line. */
  readonly title: string;
  readonly code: string;
}

/** The `@example` tags of a set of source files. */
export interface Examples {
  readonly snippets: readonly Snippet[];
  /** Returns the methods of an interface that have no example. */
  readonly methodsWithout: (file: string, interfaceName: string) => readonly string[];
}

/** Reads the TypeScript snippets of Markdown files. A folder stands for the files in it. */
export function extractSnippets(paths: readonly string[]): readonly Snippet[] {
  return paths.flatMap((path) => filesOf(path, '.md')).flatMap((file) => snippetsOf(file, readText(file)));
}

/** Reads the `@example` tags in the TSDoc of the sources below some folders. */
export function extractExamples(folders: readonly string[]): Examples {
  const snippets: Snippet[] = [];
  const bare = new Set<string>();
  for (const file of folders.flatMap((folder) => filesOf(folder, '.ts'))) {
    const source = ts.createSourceFile(file, readText(file), ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      const examples = ts.getJSDocTags(node).filter(({ tagName }) => tagName.text === 'example');
      const title = titleOf(node, source);
      if (ts.isMethodSignature(node) && examples.length === 0) bare.add(`${file} ${title}`);
      for (const tag of examples) snippets.push(...codeOf(tag, source).map((code) => ({ title, code })));
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  const methodsWithout = (file: string, interfaceName: string): readonly string[] =>
    [...bare].filter((method) => method.startsWith(`${file} ${interfaceName}.`));
  return { snippets, methodsWithout };
}

/**
 * One program of all snippets. Each is a module of its own, which resolves the package's name to the
 * sources, as `scripts/from-source.ts` does.
 */
export class SnippetProgram {
  readonly #files = new Map<Snippet, string>();
  readonly #program: ts.Program;

  /** `context` declares what snippets use without declaring it. */
  constructor(snippets: readonly Snippet[], context: string) {
    const texts = new Map([[`${root}test/support/snippet-context.d.ts`, context]]);
    for (const [index, snippet] of snippets.entries()) {
      const file = `${root}test/support/snippet-${index}.ts`;
      this.#files.set(snippet, file);
      texts.set(file, `${snippet.code}\nexport {};\n`);
    }
    this.#program = ts.createProgram({
      rootNames: [...texts.keys()],
      options: compilerOptions(),
      host: virtualHost(compilerOptions(), texts),
    });
  }

  /** Returns the compiler's messages with their lines; an empty string if there are none. */
  diagnose(snippet: Snippet): string {
    const source = this.#program.getSourceFile(this.#files.get(snippet) ?? '');
    if (source === undefined) throw new Error(`${snippet.title} is not a part of the program`);
    const diagnostics = [
      ...this.#program.getOptionsDiagnostics(),
      ...this.#program.getSyntacticDiagnostics(source),
      ...this.#program.getSemanticDiagnostics(source),
    ];
    return diagnostics.map(formatDiagnostic).join('\n');
  }
}

function formatDiagnostic({ file, start = 0, messageText }: ts.Diagnostic): string {
  const line = file === undefined ? '' : `${file.getLineAndCharacterOfPosition(start).line + 1}: `;
  return `${line}${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
}

function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(`${root}test/tsconfig.json`, ts.sys.readFile) as { config: object };
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, `${root}test`);
  return { ...options, noUnusedLocals: false, types: ['node'], paths: sourcePaths() };
}

/** Maps the package's entries to their sources. */
function sourcePaths(): Record<string, string[]> {
  const manifest = JSON.parse(readText('package.json')) as {
    readonly name: string;
    readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  };
  const entries = Object.entries(manifest.exports).flatMap(([subpath, target]) =>
    typeof target === 'string'
      ? []
      : [[manifest.name + subpath.slice(1), [target.default.replace('./dist/', root).replace(/\.js$/, '.ts')]]],
  );
  return Object.fromEntries(entries) as Record<string, string[]>;
}

function virtualHost(options: ts.CompilerOptions, texts: ReadonlyMap<string, string>): ts.CompilerHost {
  const host = ts.createCompilerHost(options, true);
  return {
    ...host,
    fileExists: (name) => texts.has(name) || host.fileExists(name),
    readFile: (name) => texts.get(name) ?? host.readFile(name),
    getSourceFile: (name, languageVersion, ...rest) => {
      const text = texts.get(name);
      return text === undefined
        ? host.getSourceFile(name, languageVersion, ...rest)
        : ts.createSourceFile(name, text, languageVersion);
    },
  };
}

/** The name of a declaration, with the name of its interface or class. */
function titleOf(node: ts.Node, source: ts.SourceFile): string {
  const name = (node as Partial<ts.NamedDeclaration>).name?.getText(source) ?? '';
  const { parent } = node;
  const isMember = ts.isInterfaceDeclaration(parent ?? source) || ts.isClassDeclaration(parent ?? source);
  return isMember ? `${titleOf(parent, source)}.${name}` : name;
}

function codeOf(tag: ts.JSDocTag, source: ts.SourceFile): readonly string[] {
  const text = tag.getFullText(source).replaceAll(/^ *\* ?/gm, '');
  return [...text.matchAll(fence)].map(([, code = '']) => code);
}

function snippetsOf(file: string, text: string): readonly Snippet[] {
  return [...text.matchAll(fence)].map(({ 1: code = '', index }) => {
    const line = text.slice(0, index).split('\n').length;
    return { title: `${file}:${line}`, code };
  });
}

function readText(file: string): string {
  return readFileSync(root + file, 'utf8');
}

/** The files of a folder with an extension, or the file itself; relative to the root. */
function filesOf(path: string, extension: string): readonly string[] {
  if (path.endsWith(extension)) return [path];
  return readdirSync(root + path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(extension) && !name.endsWith('.api.md'))
    .map((name) => `${path}/${name}`)
    .sort();
}
