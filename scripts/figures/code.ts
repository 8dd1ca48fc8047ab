import { join } from 'node:path';

import { Node, Project, Scope, type SourceFile, type Symbol as TypeSymbol } from 'ts-morph';

import { repository } from './sources.ts';

/** The lengths of functions and files in lines, in ascending order. */
export interface CodeFigures {
  readonly functions: readonly number[];
  readonly files: readonly number[];
}

/** What is exported, and how much of it has a documentation comment. */
export interface DocumentationFigures {
  readonly members: number;
  /** `Class.member`, in the order of the entry points. */
  readonly undocumented: readonly string[];
}

const entries = ['src/index.ts', 'src/embedded/index.ts'];

/** Loads the library's sources. */
export function loadProject(): Project {
  return new Project({ tsConfigFilePath: join(repository, 'tsconfig.json') });
}

export function measureCode(project: Project): CodeFigures {
  const files = project.getSourceFiles().filter((file) => file.getFilePath().startsWith(join(repository, 'src/')));
  const functions = files.flatMap((file) => functionsOf(file).map(linesOf));
  return { functions: ascending(functions), files: ascending(files.map((file) => file.getEndLineNumber())) };
}

export function measureDocumentation(project: Project): DocumentationFigures {
  const exported = entries.flatMap((entry) =>
    project.getSourceFileOrThrow(join(repository, entry)).getExportSymbols().map(aliased),
  );
  const documented = new Map<string, boolean>();
  for (const symbol of new Set(exported)) {
    documented.set(symbol.getName(), isDocumented(symbol));
    for (const member of membersOf(symbol))
      documented.set(`${symbol.getName()}.${member.getName()}`, isDocumented(member));
  }
  const undocumented = [...documented].filter(([, is]) => !is).map(([name]) => name);
  return { members: documented.size, undocumented };
}

function functionsOf(file: SourceFile): readonly Node[] {
  return file
    .getDescendants()
    .filter(
      (node) =>
        (Node.isFunctionLikeDeclaration(node) || Node.isFunctionExpression(node)) &&
        Node.isBodyable(node) &&
        node.hasBody(),
    );
}

function linesOf(node: Node): number {
  return node.getEndLineNumber() - node.getStartLineNumber() + 1;
}

function ascending(numbers: readonly number[]): readonly number[] {
  return numbers.toSorted((a, b) => a - b);
}

function aliased(symbol: TypeSymbol): TypeSymbol {
  return symbol.getAliasedSymbol() ?? symbol;
}

/** Public members that the library declares itself. */
function membersOf(symbol: TypeSymbol): readonly TypeSymbol[] {
  return symbol.getDeclarations().flatMap((declaration) => {
    if (!Node.isInterfaceDeclaration(declaration) && !Node.isClassDeclaration(declaration)) return [];
    const members: readonly Node[] = declaration.getMembers();
    return members.filter(isPublic).flatMap((member) => member.getSymbol() ?? []);
  });
}

function isPublic(member: Node): boolean {
  if (Node.isConstructorDeclaration(member) || Node.isClassStaticBlockDeclaration(member)) return false;
  if (Node.isScoped(member) && member.getScope() !== Scope.Public) return false;
  if (
    Node.isJSDocable(member) &&
    member.getJsDocs().some((doc) => doc.getTags().some((tag) => tag.getTagName() === 'internal'))
  )
    return false;
  return !(Node.hasName(member) && member.getName().startsWith('#'));
}

function isDocumented(symbol: TypeSymbol): boolean {
  return symbol
    .getDeclarations()
    .some((declaration) =>
      ownerOfComment(declaration).some((node) => Node.isJSDocable(node) && node.getJsDocs().length > 0),
    );
}

/** A constant's comment belongs to its statement. */
function ownerOfComment(declaration: Node): readonly Node[] {
  const statement = Node.isVariableDeclaration(declaration) ? declaration.getVariableStatement() : undefined;
  return statement === undefined ? [declaration] : [statement];
}
