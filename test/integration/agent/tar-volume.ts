/**
 * Helpers of the tar specs: an agent, volumes by name, raw tar blocks and the content of a folder.
 */
import type { Stats } from 'node:fs';
import { lstat, mkdir, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

import type { AgentConnection, Json } from '../../support/agent/agent-connection.ts';
import { type AgentOptions, AgentProcess } from '../../support/agent/agent-process.ts';

export const END_OF_ARCHIVE: Buffer = Buffer.alloc(1024);

export class TarAgent {
  #running: { readonly agent: AgentProcess; readonly connection: AgentConnection } | undefined;
  readonly #volumes: string[] = [];
  #count = 0;

  static async start(options: AgentOptions = {}): Promise<TarAgent> {
    const agent = new TarAgent();
    await agent.#start(options);
    return agent;
  }

  /** Returns an agent that hooks start before the tests of a suite and end after them. */
  static forSuite(): TarAgent {
    const agent = new TarAgent();
    before(() => agent.#start({}));
    after(() => agent[Symbol.asyncDispose]());
    return agent;
  }

  async #start(options: AgentOptions): Promise<void> {
    const agent = await AgentProcess.start(options);
    this.#running = { agent, connection: await agent.connect() };
  }

  get #agent(): AgentProcess {
    if (this.#running === undefined) throw new Error('the agent is not running');
    return this.#running.agent;
  }

  get #connection(): AgentConnection {
    if (this.#running === undefined) throw new Error('the agent is not running');
    return this.#running.connection;
  }

  /** For single frames. */
  get connection(): AgentConnection {
    return this.#connection;
  }

  newId(): string {
    return `operation-${this.#count++}`;
  }

  /** Lists the volume's staging folder, which is empty unless an operation is running. */
  async staged(volume: string): Promise<string[]> {
    return readdir(join(this.#agent.folder, 'volumes', volume, 'staging')).catch(() => []);
  }

  /** Creates a volume for one test; `folder` holds its content. */
  async volume(): Promise<{ readonly id: string; readonly folder: string }> {
    const id = `volume-${this.#count++}`;
    const folder = join(this.#agent.folder, 'volumes', id, 'data');
    await mkdir(folder, { recursive: true });
    this.#volumes.push(id);
    return { id, folder };
  }

  async upload(
    volume: string,
    archive: Buffer,
    more: Json = {},
    options: { readonly proven?: boolean } = {},
  ): Promise<Json> {
    return this.#connection.receive({ id: this.newId(), volume, ...more }, archive, options);
  }

  async download(
    volume: string,
    path = '',
  ): Promise<{ readonly opened: Json; readonly result: Json; readonly archive: Buffer }> {
    return this.#connection.send({ id: this.newId(), volume, path });
  }

  async call(value: Json): Promise<Json> {
    return this.#connection.call({ id: this.newId(), attempt: 1, ...value });
  }

  /** Removes the volumes by the agent: a user other than root cannot remove read-only folders. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const volume of this.#volumes) await this.call({ op: 'remove', volume }).catch(() => undefined);
    await this.#connection.bye();
    await this.#agent[Symbol.asyncDispose]();
  }
}

export interface HeaderFields {
  readonly name: string | Buffer;
  readonly type?: string;
  readonly size?: number;
  /** The raw 12 bytes of the size, instead of `size`. */
  readonly sizeField?: Buffer;
  readonly link?: string;
  readonly mode?: number;
  readonly mtime?: number;
}

/** One ustar header block. */
export function headerBlock({
  name,
  type = '0',
  size = 0,
  sizeField,
  link = '',
  mode = 0o644,
  mtime = 0,
}: HeaderFields): Buffer {
  const block = Buffer.alloc(512);
  const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');
  block.set(Buffer.from(name), 0);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  if (sizeField !== undefined) block.set(sizeField, 124);
  block.write(octal(mtime, 11), 136);
  block.write('        ', 148);
  block.write(type, 156);
  block.write(link, 157);
  block.write('ustar\0' + '00', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0`, 148);
  return block;
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

/** A file's header and content. */
export function fileBlocks(name: string | Buffer, content = '', more: Partial<HeaderFields> = {}): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([headerBlock({ name, size: bytes.length, ...more }), padded(bytes)]);
}

/** An extended header of these records, for the next entry or (type `g`) for all later ones. */
export function paxBlocks(records: Readonly<Record<string, string>>, type: 'x' | 'g' = 'x'): Buffer {
  const content = Buffer.concat(
    Object.entries(records).map(([key, value]) => {
      const rest = Buffer.byteLength(` ${key}=${value}\n`);
      const guess = rest + String(rest).length;
      const length = rest + String(guess).length;
      return Buffer.from(`${length} ${key}=${value}\n`);
    }),
  );
  return Buffer.concat([headerBlock({ name: 'pax', type, size: content.length }), padded(content)]);
}

export function archiveOf(...blocks: readonly Buffer[]): Buffer {
  return Buffer.concat([...blocks, END_OF_ARCHIVE]);
}

export interface Found {
  readonly type: 'file' | 'folder' | 'link';
  readonly mode: number;
  readonly mtimeMs: number;
  /** A file's content in latin1, or a link's target. */
  readonly content: string;
  readonly inode: number;
}

async function found(path: string, status: Stats): Promise<Found> {
  const facts = { mode: status.mode & 0o7777, mtimeMs: status.mtimeMs, inode: status.ino };
  if (status.isSymbolicLink()) return { ...facts, type: 'link', mode: 0, content: await readlink(path) };
  if (status.isDirectory()) return { ...facts, type: 'folder', content: '' };
  return { ...facts, type: 'file', content: (await readFile(path)).toString('latin1') };
}

/** Everything below a folder, by relative path. */
export async function contentOf(folder: string): Promise<Map<string, Found>> {
  const result = new Map<string, Found>();
  for (const path of (await readdir(folder, { recursive: true })).sort()) {
    const full = join(folder, path);
    result.set(path, await found(full, await lstat(full)));
  }
  return result;
}
