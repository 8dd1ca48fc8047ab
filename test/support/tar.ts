import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { extract, type Header, pack } from 'tar-stream';

/**
 * An entry of an archive: text is the content of a file, `null` a folder, an object the raw header.
 */
export type TarEntry =
  | string
  | Buffer
  | null
  | (Partial<Omit<Header, 'name'>> & { readonly content?: string | Buffer });

/** The time of entries without another: the same entries make the same bytes at any time. */
const mtime = new Date('2026-01-01T00:00:00Z');

/** Returns a raw tar archive of these entries, by name. */
export async function tarOf(entries: Readonly<Record<string, TarEntry>>): Promise<Buffer> {
  const archive = pack();
  for (const [name, entry] of Object.entries(entries)) {
    if (entry === null) archive.entry({ name: `${name}/`, mtime, type: 'directory', mode: 0o755 });
    else if (typeof entry === 'string' || Buffer.isBuffer(entry)) archive.entry({ name, mtime }, entry);
    else {
      const { content = '', ...header } = entry;
      archive.entry({ name, mtime, ...header }, content);
    }
  }
  archive.finalize();
  return await buffer(archive as AsyncIterable<Buffer>);
}

export interface ReadEntry {
  readonly type: string;
  readonly mode: number;
  readonly linkname: string | undefined;
  readonly content: Buffer;
}

/** Reads the entries of a raw tar archive, by name without a leading `./` or a trailing slash. */
export async function readTar(archive: Readable | Buffer): Promise<Map<string, ReadEntry>> {
  const entries = new Map<string, ReadEntry>();
  const parser = extract();
  const source = Buffer.isBuffer(archive) ? Readable.from([archive]) : archive;
  void (async () => {
    try {
      for await (const chunk of source) parser.write(chunk);
      parser.end(undefined);
    } catch (error) {
      parser.destroy(error as Error);
    }
  })();
  for await (const entry of parser) {
    const { name, type, mode, linkname } = entry.header;
    const content = await buffer(entry as AsyncIterable<Buffer>);
    entries.set(name.replace(/^\.\//, '').replace(/\/$/, ''), {
      type: type ?? 'file',
      mode: mode ?? 0,
      linkname: linkname ?? undefined,
      content,
    });
  }
  return entries;
}

/** Reads the text of the files of an archive, by name. */
export async function readTarText(archive: Readable | Buffer): Promise<Record<string, string>> {
  const files = [...(await readTar(archive))].filter(([, { type }]) => type === 'file');
  return Object.fromEntries(files.map(([name, { content }]) => [name, content.toString()]));
}
