// Writes one fake for each contract and port into this folder, and the index, which also lists what
// is written by hand. With `--check`, fails if a file differs from the generator's output.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Node, Project } from 'ts-morph';

import { fakeOf, header } from './generator/fake-of.ts';

/** The interfaces to fake: contracts and ports, never plain data. */
const faked = [
  'ArchiveRepository',
  'ArchiveStore',
  'Artifact',
  'ArtifactStore',
  'CacheRepository',
  'Clock',
  'Cluster',
  'Container',
  'ContainerQueries',
  'ContainerRepository',
  'Logger',
  'PlacementQueries',
  'Process',
  'Reservation',
  'ReservationRepository',
  'StepDelegate',
  'Volume',
  'VolumeRepository',
  'VolumeStreamRepository',
  'Worker',
  'WorkerRepository',
  'WorkerStates',
];

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = fileURLToPath(new URL('.', import.meta.url));

function generate(): Map<string, string> {
  const project = new Project({ tsConfigFilePath: `${root}tsconfig.json` });
  const exported = project.getSourceFileOrThrow(`${root}src/index.ts`).getExportedDeclarations();
  const fakes = faked.map((name) => {
    const declaration = exported.get(name)?.find(Node.isInterfaceDeclaration);
    if (declaration === undefined) throw new Error(`src/index.ts exports no interface ${name}`);
    return fakeOf(declaration);
  });
  const index = [
    header,
    ...fakes.map((fake) => `export { ${fake.className} } from './${fake.fileName}';`),
    "export { echoesStdin, failsWith, hangs, prints } from './processes/fake-command.ts';",
    "export type { FakeCommand, FakeCommandContext, PrintedOutput } from './processes/fake-command.ts';",
    "export { scriptProcesses } from './processes/script-processes.ts';",
    "export { type AnyMethod, type StubOf, UnstubbedCallError } from './support.ts';",
    '',
  ].join('\n');
  return new Map([...fakes.map((fake): [string, string] => [fake.fileName, fake.text]), ['index.ts', index]]);
}

function format(fileName: string, text: string): string {
  const biome = fileURLToPath(import.meta.resolve('@biomejs/biome/bin/biome'));
  return execFileSync(process.execPath, [biome, 'check', '--write', `--stdin-file-path=fakes/${fileName}`], {
    cwd: root,
    input: text,
    encoding: 'utf8',
  });
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

const check = process.argv.includes('--check');
const wanted = new Map([...generate()].map(([fileName, text]) => [fileName, format(fileName, text)]));
const stale = [...wanted].filter(([fileName, text]) => read(folder + fileName) !== text).map(([fileName]) => fileName);
const leftOver = readdirSync(folder).filter((fileName) => fileName.startsWith('fake-') && !wanted.has(fileName));

if (check && stale.length + leftOver.length > 0) {
  console.error(
    `these files differ from the output of fakes/generate.ts: ${[...stale, ...leftOver].join(', ')}; run npm run fakes`,
  );
  process.exitCode = 1;
} else if (!check) {
  for (const fileName of stale) writeFileSync(folder + fileName, wanted.get(fileName) ?? '');
  for (const fileName of leftOver) rmSync(folder + fileName);
  console.log(`${String(wanted.size)} files, ${String(stale.length)} written, ${String(leftOver.length)} removed`);
}
