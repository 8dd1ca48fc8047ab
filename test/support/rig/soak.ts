import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';

import type { AgentClient } from '../../../src/agent-client/agent-client.ts';
import { isKubernetesWorkerError } from '../../../src/errors/error-code.ts';
import { tarOf } from '../tar.ts';

/** A file as an archive of its own. */
export interface SoakArchive {
  readonly bytes: Buffer;
  readonly content: Buffer;
}

/** One transfer of a soak. */
export interface SoakTransfer {
  readonly number: number;
  readonly direction: 'up' | 'down';
  readonly archive: SoakArchive;
  /** How often its connection is cut. */
  readonly cuts: number;
}

/** Archives from 0 B to a size, most of them small, of noise and text in turn. */
export async function soakArchives(count: number, largestBytes: number, random: () => number): Promise<SoakArchive[]> {
  const archives: SoakArchive[] = [];
  for (let index = 0; index < count; index += 1) {
    const size = index === 0 ? 0 : Math.floor(largestBytes ** (index / (count - 1)));
    const content = Buffer.alloc(size, `text ${index} `);
    if (index % 2 === 0) for (let at = 0; at < size; at += 1) content[at] = Math.floor(random() * 256);
    archives.push({ content, bytes: await tarOf({ file: content }) });
  }
  return archives;
}

/** Up and down mixed; one in ten is cut, and of those one in five five times. */
export function soakTransfers(count: number, archives: readonly SoakArchive[], random: () => number): SoakTransfer[] {
  return Array.from({ length: count }, (_, number) => {
    const cuts = number % 50 === 7 ? 5 : number % 10 === 7 ? 1 : 0;
    // Those that are cut are large enough that it makes a difference.
    const from = cuts === 0 ? 0 : Math.floor(archives.length / 2);
    const archive = archives[from + Math.floor(random() * (archives.length - from))];
    if (archive === undefined) throw new RangeError('there are no archives');
    return { number, direction: random() < 0.5 ? 'up' : 'down', archive, cuts };
  });
}

/** Does them, so many at a time; gives what was not right, and not typed, and what was typed. */
export async function soak(
  transfers: readonly SoakTransfer[],
  concurrency: number,
  work: (transfer: SoakTransfer, worker: number) => Promise<void>,
): Promise<{ readonly typed: string[]; readonly wrong: string[] }> {
  const left = [...transfers];
  const [typed, wrong]: [string[], string[]] = [[], []];
  const workers = Array.from({ length: concurrency }, async (_, worker) => {
    for (let transfer = left.shift(); transfer !== undefined; transfer = left.shift()) {
      try {
        await work(transfer, worker);
      } catch (error) {
        const text = `${transfer.number} (${transfer.direction}, ${transfer.archive.bytes.length} bytes, ${transfer.cuts} cuts): ${String(error)}`;
        (isKubernetesWorkerError(error) ? typed : wrong).push(text);
      }
    }
  });
  await Promise.all(workers);
  return { typed, wrong };
}

/** Uploads an archive from a source that can be read once; what the pod says of it must be right. */
export async function soakUpload(
  client: AgentClient,
  volume: string,
  { bytes }: SoakArchive,
  signal: AbortSignal,
): Promise<void> {
  const source = (async function* () {
    for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
  })();
  const result = await client.receive({ volume }, source, { signal });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (result.bytes !== bytes.length || result.sha256 !== sha256)
    throw new Error(`the pod has ${result.bytes} bytes with SHA-256 ${result.sha256}`);
}

/** Downloads a volume with one file, which must be this one. */
export async function soakDownload(
  client: AgentClient,
  volume: string,
  { content }: SoakArchive,
  signal: AbortSignal,
): Promise<void> {
  const { readable } = await client.send({ volume }, { signal });
  const bytes = await buffer(readable);
  // One entry of a file is its header, with the time in one of its own, its bytes, and zeros.
  const at = bytes.length - 1024 - Math.ceil(content.length / 512) * 512;
  if (!bytes.subarray(at, at + content.length).equals(content)) throw new Error('what came is not what is there');
}
