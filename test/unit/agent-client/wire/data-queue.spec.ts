import { zstdCompressSync } from 'node:zlib';

import { expect } from 'chai';
import fc from 'fast-check';

import { DataQueue } from '../../../../src/agent-client/wire/data-queue.ts';
import { type DataFrame, FrameType } from '../../../../src/agent-client/wire/frame.ts';
import { ProtocolViolationError } from '../../../../src/errors/connection.ts';

function frameOf(offset: number, raw: Buffer, packed = false): DataFrame {
  const bytes = packed ? zstdCompressSync(raw) : raw;
  return { type: FrameType.DATA, stream: 1, offset, rawLength: raw.length, encoding: packed ? 'zstd' : 'raw', bytes };
}

describe('DataQueue', () => {
  it('delivers the bytes in order, for any frames and any consumer', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            size: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 8000, max: 20_000 })),
            packed: fc.boolean(),
          }),
          {
            maxLength: 30,
          },
        ),
        fc.boolean(),
        async (parts, slow) => {
          const taken: Uint8Array[] = [];
          const queue = new DataQueue({
            concurrency: 3,
            take: (bytes) => {
              taken.push(bytes);
              return slow ? new Promise((resolve) => setImmediate(resolve)) : undefined;
            },
            failed: (error) => {
              throw error;
            },
          });
          const sent = parts.map(({ size }, index) => Buffer.alloc(size, `part ${index} `));
          let offset = 0;
          for (const [index, raw] of sent.entries()) {
            queue.add(frameOf(offset, raw, parts[index]?.packed));
            offset += raw.length;
          }
          await queue.whenEmpty();
          expect(Buffer.concat(taken).equals(Buffer.concat(sent))).to.equal(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('joins many tiny pieces into few', async () => {
    let release = (): void => undefined;
    let takes = 0;
    const queue = new DataQueue({
      concurrency: 1,
      take: () => {
        takes += 1;
        return takes === 1 ? new Promise<void>((resolve) => (release = resolve)) : undefined;
      },
      failed: () => undefined,
    });
    for (let offset = 0; offset < 500_000; offset += 1) queue.add(frameOf(offset, Buffer.from('a')));
    release();
    await queue.whenEmpty();
    expect(takes).to.be.at.most(12);
  });

  it('delivers at once to an idle consumer, and joins contiguous bytes for a busy one', async () => {
    const taken: Uint8Array[] = [];
    let release = (): void => undefined;
    const queue = new DataQueue({
      concurrency: 3,
      take: (bytes) => {
        taken.push(bytes);
        return taken.length === 2 ? new Promise<void>((resolve) => (release = resolve)) : undefined;
      },
      failed: () => undefined,
    });
    const block = Buffer.alloc(40 * 16_384, 'abcdefg');
    const pieces = Array.from({ length: 40 }, (_, index) => block.subarray(index * 16_384, (index + 1) * 16_384));
    let offset = 0;
    for (const piece of pieces) {
      queue.add(frameOf(offset, piece));
      offset += piece.length;
    }
    expect(taken).to.have.length(2);
    release();
    await queue.whenEmpty();
    // Up to 256 KiB, as far as the bytes are in one block of memory.
    expect(taken.map(({ byteLength }) => byteLength)).to.deep.equal([
      16_384, 16_384, 65_536, 131_072, 262_144, 163_840,
    ]);
    expect(Buffer.concat(taken).equals(block)).to.equal(true);
  });

  it('holds back less than 128 KiB of an incomplete frame', async () => {
    const taken: number[] = [];
    const queue = new DataQueue({
      concurrency: 3,
      take: (bytes) => void taken.push(bytes.byteLength),
      failed: () => undefined,
    });
    const block = Buffer.alloc(256 * 1024);
    let offset = 0;
    const add = (length: number, isPart: boolean): void => {
      queue.add({ ...frameOf(offset, block.subarray(offset, offset + length)), isPart });
      offset += length;
    };
    add(16_000, true);
    add(16_000, true);
    expect(taken).to.deep.equal([]);
    expect(queue.isEmpty).to.equal(false);
    add(100, false);
    expect(taken).to.deep.equal([32_100]);
    for (let count = 0; count < 9; count += 1) add(16_000, true);
    expect(taken).to.deep.equal([32_100, 64_000]);
    add(1, false);
    await queue.whenEmpty();
    expect(taken.reduce((sum, bytes) => sum + bytes, 0)).to.equal(offset);
  });

  it('delivers an incomplete frame on interrupt, and continues with the rest', async () => {
    const taken: number[] = [];
    const queue = new DataQueue({
      concurrency: 3,
      take: (bytes) => void taken.push(bytes.byteLength),
      failed: () => undefined,
    });
    queue.add({ ...frameOf(0, Buffer.alloc(16_000)), isPart: true });
    expect(taken).to.deep.equal([]);
    queue.interrupt();
    expect(taken).to.deep.equal([16_000]);
    queue.add({ ...frameOf(16_000, Buffer.alloc(8_000)), isPart: true });
    expect(taken).to.deep.equal([16_000]);
    queue.add({ ...frameOf(24_000, Buffer.alloc(9_000)), isPart: false });
    await queue.whenEmpty();
    expect(taken.reduce((sum, bytes) => sum + bytes, 0)).to.equal(33_000);
  });

  it('delivers nothing after a stop or a failure, and reports the failure once', async () => {
    const mistake = new Error('mistake');
    const failures: unknown[] = [];
    let takes = 0;
    const queueOf = (take: () => Promise<void> | undefined): DataQueue =>
      new DataQueue({ concurrency: 1, take, failed: (error) => failures.push(error) });
    for (const fails of [
      () => Promise.reject(mistake),
      (): undefined => {
        throw mistake;
      },
    ]) {
      takes = 0;
      const queue = queueOf(() => {
        takes += 1;
        return fails();
      });
      queue.add(frameOf(0, Buffer.from('a')));
      queue.add(frameOf(1, Buffer.from('b')));
      await new Promise((resolve) => setImmediate(resolve));
      expect(takes).to.equal(1);
    }
    expect(failures).to.deep.equal([mistake, mistake]);
    let release = (): void => undefined;
    const stopped = queueOf(() => {
      takes += 1;
      return new Promise((resolve) => (release = resolve));
    });
    takes = 0;
    stopped.add(frameOf(0, Buffer.from('a')));
    stopped.add(frameOf(1, Buffer.from('b')));
    stopped.stop();
    release();
    await new Promise((resolve) => setImmediate(resolve));
    expect(takes).to.equal(1);
  });

  it('rejects more frames than a correct sender makes', () => {
    const queue = new DataQueue({ concurrency: 1, take: () => undefined, failed: () => undefined });
    const tiny = frameOf(0, Buffer.from('a'));
    // All other frames wait while this one is expanded on another thread.
    queue.add(frameOf(0, Buffer.alloc(200_000), true));
    expect(() => {
      for (let count = 0; count < 100_000; count += 1) queue.add(tiny);
    }).to.throw(ProtocolViolationError, 'too many');
  });
});
