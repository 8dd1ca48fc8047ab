import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';
import fc from 'fast-check';

import { execProtocols } from '../../../src/exec/protocol-order.ts';
import { close, type ExecPlan, fin, type Happening, kill, reset } from '../../support/rig/exec-plan.ts';
import { TransferRig } from '../../support/rig/transfer-rig.ts';
import { printedSeed } from '../../support/seeded-random.ts';
import { tarOf } from '../../support/tar.ts';
import { Tripwire } from '../../support/tripwire.ts';

const retryBackoff = { firstMs: 1, longestMs: 10 };
const ways: Readonly<Record<string, Happening>> = { reset, fin, 'close 1001': close(1001), kill };

/** The faults of one connection: the offset of its cut, and the size of its pieces. */
interface Connection {
  readonly direction: 'toPod' | 'fromPod';
  /** As a fraction of the archive's size. A connection may end before. */
  readonly at: number;
  readonly by: string;
  readonly pieceBytes: number;
}

const connection: fc.Arbitrary<Connection> = fc.record({
  direction: fc.constantFrom('toPod' as const, 'fromPod' as const),
  at: fc.oneof(fc.double({ min: 0, max: 1.05, noNaN: true }), fc.double({ min: 0, max: 0.01, noNaN: true })),
  by: fc.constantFrom(...Object.keys(ways)),
  pieceBytes: fc.oneof(fc.constant(1_000_000), fc.integer({ min: 2_000, max: 40_000 })),
});

describe('transfers of any size, with any cuts and pieces', () => {
  let tripwire: Tripwire;
  let rig: TransferRig;
  const noise = randomBytes(400_000);
  let number = 0;

  before(async () => {
    tripwire = await Tripwire.set();
    rig = await TransferRig.start();
  });

  // `quiet` closes the clients: until then they end operations in the agent in the background,
  // after a cut at the very end.
  afterEach(async () => {
    await rig.idle();
    await rig.quiet();
  });

  after(async () => {
    await rig[Symbol.asyncDispose]();
    await tripwire.check();
  });

  function planOf({ direction, at, by, pieceBytes }: Connection, size: number): ExecPlan {
    const pieces = { toPod: { pieceBytes }, fromPod: { pieceBytes } };
    return { ...pieces, [direction]: { pieceBytes, after: [[Math.floor(at * size), ways[by] ?? reset]] } };
  }

  /** Text and noise, so that only some frames are compressed. */
  async function archiveOf(size: number): Promise<Buffer> {
    const half = Math.floor(size / 2);
    return await tarOf({ noise: noise.subarray(0, half), text: Buffer.alloc(size - half, 'the same again ') });
  }

  it('arrive byte for byte as uploads of a read-once source', async () => {
    const property = fc.asyncProperty(
      fc.integer({ min: 0, max: 800_000 }),
      fc.array(connection, { maxLength: 5 }),
      fc.integer({ min: 1, max: 200_000 }),
      fc.constantFrom(...execProtocols),
      async (size, connections, chunkBytes, protocol) => {
        const archive = await archiveOf(size);
        const volume = `up-${(number += 1)}`;
        let at = 0;
        rig.api.planFor = () => {
          const cut = connections[at];
          at += 1;
          return cut === undefined ? {} : planOf(cut, archive.length);
        };
        const client = rig.client({ retryBackoff, protocols: [protocol] });
        const source = (async function* () {
          for (let from = 0; from < archive.length; from += chunkBytes) yield archive.subarray(from, from + chunkBytes);
        })();
        const result = await client.receive({ volume }, source);
        expect(result).to.include({
          bytes: archive.length,
          sha256: createHash('sha256').update(archive).digest('hex'),
          entries: 2,
        });
        const half = Math.floor(size / 2);
        expect((await rig.bytes(volume, 'noise')).equals(noise.subarray(0, half))).to.equal(true);
        expect((await rig.bytes(volume, 'text')).equals(Buffer.alloc(size - half, 'the same again '))).to.equal(true);
      },
    );
    await fc.assert(property, { seed: printedSeed(), numRuns: 60 });
  });

  it('arrive byte for byte as downloads with any window', async () => {
    const sizes = [0, 1, 511, 40_000, 262_144, 700_000];
    const wholes: Buffer[] = [];
    for (const size of sizes) {
      const client = rig.client();
      const source = [await archiveOf(size)];
      await client.receive(
        { volume: `down-${size}` },
        (async function* () {
          yield* source;
        })(),
      );
      wholes.push(await buffer((await client.send({ volume: `down-${size}` })).readable));
      client.close();
    }
    const property = fc.asyncProperty(
      fc.nat({ max: sizes.length - 1 }),
      fc.array(connection, { maxLength: 5 }),
      fc.constantFrom(1_000, 70_000, 300_000, 8_000_000),
      fc.constantFrom(...execProtocols),
      async (index, connections, downloadWindowBytes, protocol) => {
        const whole = wholes[index]!;
        let at = 0;
        rig.api.planFor = () => {
          const cut = connections[at];
          at += 1;
          return cut === undefined ? {} : planOf(cut, whole.length);
        };
        const client = rig.client({
          retryBackoff,
          protocols: [protocol],
          downloadWindowBytes: Math.max(downloadWindowBytes, Math.ceil(whole.length / 100)),
        });
        const { readable, completed } = await client.send({ volume: `down-${sizes[index]!}` });
        expect((await buffer(readable)).equals(whole)).to.equal(true);
        expect(await completed).to.include({ bytes: whole.length });
      },
    );
    await fc.assert(property, { seed: printedSeed(), numRuns: 60 });
  });
});
