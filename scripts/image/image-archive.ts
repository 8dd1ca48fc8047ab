import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

import { extract, type Header } from 'tar-stream';

/** A file, folder or link of an image. */
export interface ImageEntry {
  /** Without a slash at its start or its end. */
  readonly path: string;
  readonly type: string;
  readonly mode: number;
  readonly bytes: number;
  /** The first bytes of a file. */
  readonly head: string;
}

/** The part of an image's configuration that a runtime uses. */
export interface ImageConfig {
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Labels?: Readonly<Record<string, string>>;
}

/** An image, as it is in its archive. */
export interface Image {
  readonly digest: string;
  readonly config: ImageConfig;
  /** The size of its layers, as a registry stores them. */
  readonly compressedBytes: number;
  /** Of all layers; the entry of a later layer replaces an earlier one. */
  readonly entries: readonly ImageEntry[];
}

type Entry = Readable & { readonly header: Header };

/** What refers to a blob of an archive. */
export interface OciDescriptor {
  readonly digest: string;
  readonly size: number;
}

const headBytes = 4_096;

/** Reads an OCI archive with one image. */
export async function readImage(archive: string): Promise<Image> {
  const index = await jsonOf<{ manifests: readonly OciDescriptor[] }>(archive, 'index.json');
  const [image] = index.manifests;
  if (image === undefined) throw new Error(`${archive} has no image`);
  const manifest = await jsonOf<{ config: OciDescriptor; layers: readonly OciDescriptor[] }>(archive, blobOf(image));
  const { config } = await jsonOf<{ config: ImageConfig }>(archive, blobOf(manifest.config));
  const entries = new Map<string, ImageEntry>();
  for (const layer of manifest.layers)
    await readBlob(archive, blobOf(layer), async (blob) => await readLayer(blob, entries));
  const compressedBytes = manifest.layers.reduce((sum, { size }) => sum + size, 0);
  return { digest: image.digest, config, compressedBytes, entries: [...entries.values()] };
}

const blobOf = ({ digest }: OciDescriptor): string => `blobs/${digest.replace(':', '/')}`;

async function jsonOf<Content>(archive: string, name: string): Promise<Content> {
  return JSON.parse((await readArchiveFile(archive, name)).toString()) as Content;
}

/** Returns a file of an archive: one by its name, or a blob. */
export async function readArchiveFile(archive: string, file: string | OciDescriptor): Promise<Buffer> {
  return await readBlob(archive, typeof file === 'string' ? file : blobOf(file), buffer);
}

/** Passes one file of an archive to `read`. */
async function readBlob<Result>(
  archive: string,
  name: string,
  read: (entry: Entry) => Promise<Result>,
): Promise<Result> {
  const unpacked = createReadStream(archive).pipe(extract());
  for await (const entry of unpacked as AsyncIterable<Entry>) {
    if (entry.header.name === name) return await read(entry);
    entry.resume();
  }
  throw new Error(`${archive} lacks ${name}`);
}

async function readLayer(blob: Entry, entries: Map<string, ImageEntry>): Promise<void> {
  const unpacked = extract();
  const unpacking = pipeline(blob, createGunzip(), unpacked);
  for await (const entry of unpacked as AsyncIterable<Entry>) {
    const { name, type, mode, size } = entry.header;
    const path = name.replace(/^\.?\/|\/$/g, '');
    entries.set(path, { path, type, mode, bytes: size, head: await headOf(entry) });
  }
  await unpacking;
}

async function headOf(entry: Entry): Promise<string> {
  let head = Buffer.alloc(0);
  for await (const chunk of entry as AsyncIterable<Buffer>)
    if (head.length < headBytes) head = Buffer.concat([head, chunk.subarray(0, headBytes - head.length)]);
  return head.toString('latin1');
}
