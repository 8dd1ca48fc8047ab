import { randomFillSync } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { glob, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

import { type Pack, pack } from 'tar-stream';

import { digestOfArchive } from './tree-digest.ts';

/** A raw tar archive on disk, and what it has to become in a pod. */
export interface SampleArchive {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  readonly contentBytes: number;
  /** Of names and contents, whatever the archive's format. */
  readonly treeDigest: string;
  readonly goals: { readonly up: number; readonly down: number };
}

const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));
const mtime = new Date(1_700_000_000_000);

/** One file of random bytes, which nothing can compress. */
export async function makeRandomArchive(folder: string, mebibytes: number): Promise<SampleArchive> {
  const size = mebibytes * 1024 * 1024;
  const write = async (archive: Pack): Promise<void> => {
    const entry = archive.entry({ name: 'random.bin', size, mtime });
    for (let done = 0; done < size; done += 1024 * 1024) {
      const more = entry.write(randomFillSync(Buffer.alloc(1024 * 1024)));
      if (!more) await new Promise<void>((resolve) => entry.once('drain', () => resolve()));
    }
    entry.end(undefined);
  };
  return await makeArchive(folder, `${mebibytes} MiB of random bytes`, { write, contentBytes: size, goals: { up: 1.1, down: 1.1 } });
}

/** A source tree of so many real files: those of this repository's own dependencies. */
export async function makeSourceArchive(folder: string, count: number): Promise<SampleArchive> {
  const names: string[] = [];
  for await (const name of glob('**/*.{js,ts,mjs,json,md}', { cwd: modules })) names.push(name);
  const contents: [string, Buffer][] = [];
  for (const name of names.sort()) {
    if (contents.length === count) break;
    if ((await stat(join(modules, name))).isFile()) contents.push([name, await readFile(join(modules, name))]);
  }
  const write = async (archive: Pack): Promise<void> => {
    for (const [name, content] of contents) await new Promise<void>((resolve) => archive.entry({ name, mtime }, content, () => resolve()));
  };
  const contentBytes = contents.reduce((sum, [, content]) => sum + content.byteLength, 0);
  return await makeArchive(folder, `source tree of ${contents.length} files, ${(contentBytes / 1024 / 1024).toFixed(0)} MiB`, {
    write,
    contentBytes,
    goals: { up: 1.8, down: 2.5 },
  });
}

async function makeArchive(
  folder: string,
  name: string,
  {
    write,
    contentBytes,
    goals,
  }: { readonly write: (archive: Pack) => Promise<void>; readonly contentBytes: number; readonly goals: SampleArchive['goals'] },
): Promise<SampleArchive> {
  const path = join(folder, `${name.replaceAll(/\W+/g, '-')}.tar`);
  const archive = pack();
  await Promise.all([pipeline(archive as AsyncIterable<Buffer>, createWriteStream(path)), write(archive).then(() => archive.finalize())]);
  return { name, path, bytes: (await stat(path)).size, contentBytes, treeDigest: await digestOfArchive(path), goals };
}
