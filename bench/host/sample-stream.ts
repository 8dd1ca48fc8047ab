import { randomFillSync } from 'node:crypto';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

const mebibyte = 1024 * 1024;
const block = 512;

/** A tar archive of one file of so many bytes, which nothing can compress, made as it is read. It costs no memory: what is measured is not the source's. */
export async function* archiveOf(mebibytes: number): AsyncGenerator<Uint8Array> {
  yield headerOf('random.bin', mebibytes * mebibyte);
  const bytes = randomFillSync(Buffer.alloc(mebibyte));
  for (let done = 0; done < mebibytes; done += 1) {
    yield bytes;
    // Without a turn of the loop between them a source is not one that reads anything.
    await sleep(0);
  }
  yield Buffer.alloc(2 * block);
}

/** A ustar header; the size in base 256, which has room for any. */
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

/** Takes no more than so many bytes a second, and counts them. */
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
