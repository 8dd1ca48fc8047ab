import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';

import { pack } from 'tar-stream';

/** Counts the lines of each file below a folder, in the order of their names. */
export async function countLines(folder: string): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const file of await filesBelow(folder)) {
    const content = await readFile(join(folder, file));
    counts.set(
      file,
      content.reduce((lines, byte) => (byte === 0x0a ? lines + 1 : lines), 0),
    );
  }
  return counts;
}

/** Returns a gzip'd tar of a folder, as `fly execute -i` sends it. */
export function gzipArchive(folder: string): Readable {
  const archive = pack();
  const fill = async (): Promise<void> => {
    for (const name of await filesBelow(folder)) {
      const { mode, mtime } = await stat(join(folder, name));
      archive.entry({ name, mode: mode & 0o777, mtime }, await readFile(join(folder, name)));
    }
    archive.finalize();
  };
  fill().catch((error: unknown) => archive.destroy(error instanceof Error ? error : new Error(String(error))));
  const gzip = createGzip({ level: 1 });
  // A failure of either stream destroys both, so the reader receives it.
  pipeline(Readable.from(archive as AsyncIterable<Buffer>, { objectMode: false }), gzip, () => undefined);
  return gzip;
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}
