import { randomFillSync } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { glob, readFile, stat } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

import { type Pack, pack } from 'tar-stream';

import { digestOfArchive } from './tree-digest.ts';

/** A raw tar archive on disk, and the properties of its content. */
export interface SampleArchive {
  readonly path: string;
  readonly bytes: number;
  readonly contentBytes: number;
  /** The digest of names and contents, independent of the archive's format. */
  readonly treeDigest: string;
}

/** The description of an archive. */
export interface Sample {
  readonly name: string;
  /** The prefix of files and folders. */
  readonly id: string;
  readonly files: number;
  readonly goals: { readonly up: number; readonly down: number };
  /** Writes the entries. Resolves with the number of bytes of their content. */
  readonly write: (archive: Pack) => Promise<number>;
}

const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));
const mtime = new Date(1_700_000_000_000);
const mebibyte = 1024 * 1024;

/** Returns a sample of one file of random, incompressible bytes. */
export function randomBytesOf(mebibytes: number): Sample {
  const write = async (archive: Pack): Promise<number> => {
    const size = mebibytes * mebibyte;
    const entry = archive.entry({ name: 'random.bin', size, mtime });
    for (let done = 0; done < size; done += mebibyte) {
      const more = entry.write(randomFillSync(Buffer.alloc(mebibyte)));
      if (!more) await new Promise<void>((resolve) => entry.once('drain', () => resolve()));
    }
    entry.end(undefined);
    return size;
  };
  return { name: `${mebibytes} MiB of random bytes`, id: 'random', files: 1, write, goals: { up: 1.1, down: 1.1 } };
}

/** Returns a sample of a source tree: the files of this repository's dependencies. */
export function sourceTree(count: number): Sample {
  return {
    name: `source tree of ${count.toLocaleString('en')} files`,
    id: 'source',
    files: count,
    goals: { up: 1.8, down: 2.5 },
    write: (archive) => writeFiles(archive, firstOf(sources(), count)),
  };
}

/** Returns a sample of small source files, 2 KiB each on average and 4 KiB at most. */
export function smallFiles(count: number): Sample {
  return {
    name: `${count.toLocaleString('en')} small files`,
    id: 'small',
    files: count,
    goals: { up: 1.8, down: 2.5 },
    write: (archive) => writeFiles(archive, firstOf(pieces(), count)),
  };
}

type Content = readonly [name: string, bytes: Buffer];

async function* sources(): AsyncGenerator<Content> {
  const names: string[] = [];
  for await (const name of glob('**/*.{js,ts,mjs,json,md}', { cwd: modules })) names.push(name);
  for (const name of names.sort())
    if ((await stat(join(modules, name))).isFile()) yield [name, await readFile(join(modules, name))];
}

/**
 * Yields the source files in pieces. Their lengths vary but are the same in each run, and each
 * folder has as many files as in a source tree.
 */
async function* pieces(): AsyncGenerator<Content> {
  let seed = 1;
  for await (const [name, bytes] of sources()) {
    const { dir, name: base, ext } = parse(name);
    let at = 0;
    for (let part = 0; part < 8 && at < bytes.byteLength; part += 1) {
      seed = (seed * 48_271) % 0x7fff_ffff;
      const length = 64 + (seed % 4032);
      yield [join(dir, `${base}-${part}${ext}`), bytes.subarray(at, at + length)];
      at += length;
    }
  }
}

async function* firstOf(contents: AsyncIterable<Content>, count: number): AsyncGenerator<Content> {
  let given = 0;
  for await (const content of contents) {
    yield content;
    given += 1;
    if (given === count) return;
  }
  throw new Error(`the dependencies have ${given} files instead of ${count}`);
}

async function writeFiles(archive: Pack, contents: AsyncIterable<Content>): Promise<number> {
  let bytes = 0;
  for await (const [name, content] of contents) {
    await new Promise<void>((resolve) => archive.entry({ name, mtime }, content, () => resolve()));
    bytes += content.byteLength;
  }
  return bytes;
}

/** Creates the archive of a sample in a folder. */
export async function makeArchive(folder: string, { id, write }: Sample): Promise<SampleArchive> {
  const path = join(folder, `${id}.tar`);
  const archive = pack();
  const written = write(archive).then((bytes) => {
    archive.finalize();
    return bytes;
  });
  const [contentBytes] = await Promise.all([
    written,
    pipeline(archive as AsyncIterable<Buffer>, createWriteStream(path)),
  ]);
  return { path, bytes: (await stat(path)).size, contentBytes, treeDigest: await digestOfArchive(path) };
}
