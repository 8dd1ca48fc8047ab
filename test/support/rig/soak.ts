import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';

import type { AgentClient } from '../../../src/agent-client/agent-client.ts';
import { isKubernetesWorkerError } from '../../../src/errors/error-code.ts';
import { tarOf } from '../tar.ts';

/** An archive of one file. */
export interface SoakArchive {
  readonly bytes: Buffer;
  readonly content: Buffer;
}

/** One transfer of a soak. */
export interface SoakTransfer {
  readonly number: number;
  readonly direction: 'up' | 'down';
  readonly archive: SoakArchive;
  /** The number of cuts of its connection. */
  readonly cuts: number;
}

/**
 * Returns archives from 0 B to `largestBytes`, most of them small, alternately of noise and text.
 */
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

/**
 * Returns mixed uploads and downloads. One in ten is cut, of which one in five is cut five times.
 */
export function soakTransfers(count: number, archives: readonly SoakArchive[], random: () => number): SoakTransfer[] {
  return Array.from({ length: count }, (_, number) => {
    const cuts = number % 50 === 7 ? 5 : number % 10 === 7 ? 1 : 0;
    // Transfers with cuts are large enough for the cuts to take effect.
    const from = cuts === 0 ? 0 : Math.floor(archives.length / 2);
    const archive = archives[from + Math.floor(random() * (archives.length - from))];
    if (archive === undefined) throw new RangeError('no archives');
    return { number, direction: random() < 0.5 ? 'up' : 'down', archive, cuts };
  });
}

/** Runs the transfers concurrently. Returns the typed errors and all other failures. */
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

/** Uploads an archive from a read-once source, and checks the pod's result. */
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

/** Downloads a volume with one file, and checks its content. */
export async function soakDownload(
  client: AgentClient,
  volume: string,
  { content }: SoakArchive,
  signal: AbortSignal,
): Promise<void> {
  const { readable } = await client.send({ volume }, { signal });
  const bytes = await buffer(readable);
  // The content ends before its padding and the closing blocks; pax headers precede it.
  const at = bytes.length - 1024 - Math.ceil(content.length / 512) * 512;
  if (!bytes.subarray(at, at + content.length).equals(content))
    throw new Error('the downloaded content differs from the volume');
}
