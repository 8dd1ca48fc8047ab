// A host program that uses an S3 store, and prints by how many bytes its memory has grown at most:
// `node s3-memory-host.ts OPTIONS up|down|uploads`, with `S3StoreOptions` as JSON. A process of its
// own, because the heap of a process that has done other work before grows for other reasons.
import { freeBytes } from '../../../src/internal/free-bytes.ts';
import { systemClock } from '../../../src/internal/system-clock.ts';
import type { S3StoreOptions } from '../../../src/runtime/s3-store-options.ts';
import { PartBuffers } from '../../../src/stores/s3/part-buffers.ts';
import { openS3Store } from '../../../src/stores/s3/s3-store.ts';
import { silentLogger } from '../silent-logger.ts';
import { seededBytes } from './archive-bytes.ts';

const MiB = 1_048_576;
const key = 'memory/00/a';
const [options = '', work = ''] = process.argv.slice(2);
const components = { clock: systemClock(), logger: silentLogger, buffers: new PartBuffers() };
const store = openS3Store(JSON.parse(options) as S3StoreOptions, components);

/** Yields this many bytes from one buffer. */
async function* repeated(length: number): AsyncGenerator<Uint8Array> {
  const piece = seededBytes(256 * 1024);
  for (let at = 0; at < length; at += piece.length) yield piece;
}

const works: Readonly<Record<string, () => Promise<void>>> = {
  up: async () => {
    await store.write(key, repeated(1024 * MiB));
  },
  down: async () => {
    let bytes = 0;
    for await (const chunk of (await store.read(key)) as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      freeBytes(chunk);
    }
    if (bytes !== 1024 * MiB) throw new Error(`${bytes} bytes were read`);
  },
  uploads: async () => {
    const uploads = Array.from({ length: 24 }, (_, index) => store.write(`memory/01/${index}`, repeated(24 * MiB)));
    await Promise.all(uploads);
  },
};

// Loads all modules.
const warmUp = `memory/02/${process.pid}`;
await store.write(warmUp, repeated(MiB));
for await (const _chunk of (await store.read(warmUp)) as AsyncIterable<Uint8Array>);
const before = process.memoryUsage.rss();
let most = before;
const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 20);
await works[work]?.();
clearInterval(timer);
await store.close();
console.log(most - before);
