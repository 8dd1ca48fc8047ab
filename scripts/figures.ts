// Prints figures of the sources, each beside its goal. Exits with 1 where a goal is missed.
//
//   npm run figures             the table
//   npm run figures -- --list   also what misses a goal
import { loadProject, measureCode, measureDocumentation } from './figures/code.ts';
import { measureProse } from './figures/prose.ts';
import { filesPerFolder, readSources } from './figures/sources.ts';

interface Figure {
  readonly name: string;
  readonly value: string;
  readonly goal: string;
  readonly isMet: boolean;
  readonly misses: readonly string[];
}

const columnLimit = 120;
const folderLimit = 40;
const functionLimit = 40;

function quantile(ascending: readonly number[], part: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * part))] ?? 0;
}

function fact(name: string, value: string): Figure {
  return { name, value, goal: '', isMet: true, misses: [] };
}

function none(name: string, misses: readonly string[]): Figure {
  return { name, value: String(misses.length), goal: 'none', isMet: misses.length === 0, misses };
}

/** Messages, titles and scripts stay in one literal, so that a search finds them. */
function holdsLongLiteral(line: string): boolean {
  return /'(?:[^'\\]|\\.){50,}'|"(?:[^"\\]|\\.){50,}"|`[^`]{50,}/.test(line);
}

const project = loadProject();
const { functions, files } = measureCode(project);
const { members, undocumented } = measureDocumentation(project);
const prose = measureProse(readSources(/\.(ts|mjs|c|h|md)$/));
const perThousand = (prose.pronouns * 1000) / prose.words;
const longFunctions = functions.filter((lines) => lines > functionLimit).length;
const longLines = readSources(/\.(ts|mjs|js|c|h|py)$/).flatMap(({ path, lines }) =>
  lines.flatMap((line, index) =>
    line.length > columnLimit ? [{ place: `${path}:${String(index + 1)}`, isLiteral: holdsLongLiteral(line) }] : [],
  ),
);
const longLiterals = longLines.filter(({ isLiteral }) => isLiteral);
const fullFolders = [...filesPerFolder()].filter(([, count]) => count > folderLimit);

const figures: readonly Figure[] = [
  fact('functions, median length', `${String(quantile(functions, 0.5))} lines`),
  fact('functions, p90 length', `${String(quantile(functions, 0.9))} lines`),
  fact(`functions above ${String(functionLimit)} lines`, `${((longFunctions * 100) / functions.length).toFixed(2)} %`),
  fact('files of src, median length', `${String(quantile(files, 0.5))} lines`),
  {
    name: 'public members with documentation',
    value: `${String(members - undocumented.length)} of ${String(members)}`,
    goal: 'all',
    isMet: undocumented.length === 0,
    misses: undocumented,
  },
  none(
    `lines above ${String(columnLimit)} columns`,
    longLines.filter(({ isLiteral }) => !isLiteral).map(({ place }) => place),
  ),
  fact('lines that a literal makes longer', String(longLiterals.length)),
  none(
    `folders above ${String(folderLimit)} files`,
    fullFolders.map(([folder, count]) => `${folder}: ${String(count)}`),
  ),
  {
    name: 'people-pronouns per 1,000 words of comments and documents',
    value: perThousand.toFixed(2),
    goal: 'under 0.5',
    isMet: perThousand < 0.5,
    misses: [],
  },
];

const width = Math.max(...figures.map(({ name }) => name.length));
for (const { name, value, goal, isMet, misses } of figures) {
  const verdict = goal === '' ? '' : `goal: ${goal}${isMet ? '' : ', MISSED'}`;
  console.log(`${name.padEnd(width)}  ${value.padEnd(12)} ${verdict}`.trimEnd());
  if (process.argv.includes('--list')) for (const miss of misses) console.log(`  ${miss}`);
}
process.exitCode = figures.every(({ isMet }) => isMet) ? 0 : 1;
