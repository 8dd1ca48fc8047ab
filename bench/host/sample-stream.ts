import { randomFillSync } from 'node:crypto';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

const mebibyte = 1024 * 1024;
const block = 512;

/**
 * Yields a tar archive of one file of random, incompressible bytes. Repeats one block, so the
 * source uses little memory and the measurement is not that of the source.
 */
export async function* archiveOf(mebibytes: number): AsyncGenerator<Uint8Array> {
  yield headerOf('random.bin', mebibytes * mebibyte);
  const bytes = randomFillSync(Buffer.alloc(mebibyte));
  for (let done = 0; done < mebibytes; done += 1) {
    yield bytes;
    // Yields to the event loop between chunks, as a source that reads from a device does.
    await sleep(0);
  }
  yield Buffer.alloc(2 * block);
}

/**
 * Returns a shell script that creates a file of random bytes. Repeats one block, because random bytes
 * are slow to generate.
 */
export function fillingOf(file: string, mebibytes: number): string {
  return `head -c 1048576 /dev/urandom >/tmp/block && for i in $(seq ${mebibytes}); do cat /tmp/block; done >${file}`;
}

/** Returns a ustar header with its size in base 256, which can hold any size. */
function headerOf(name: string, size: number): Buffer {
  const header = Buffer.alloc(block);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header[124] = 0x80;
  header.writeUIntBE(size, 130, 6);
  header.write('00000000000\0', 136);
  header.write('        0', 148);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

/** Limits its throughput to a number of bytes each second, and counts the bytes. */
export class SlowConsumer extends Writable {
  readonly #bytesPerSecond: number;
  readonly #startedAt = performance.now();
  bytes = 0;

  constructor(mebibytesPerSecond: number) {
    super({ highWaterMark: 64 * 1024 });
    this.#bytesPerSecond = mebibytesPerSecond * mebibyte;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.bytes += chunk.byteLength;
    const early = (this.bytes / this.#bytesPerSecond) * 1000 - (performance.now() - this.#startedAt);
    if (early > 1) setTimeout(done, early);
    else done();
  }
}
