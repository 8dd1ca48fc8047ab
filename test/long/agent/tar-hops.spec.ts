import { expect } from 'chai';
import {
  type Arbitrary,
  array,
  assert,
  asyncProperty,
  constantFrom,
  double,
  integer,
  oneof,
  record,
  uint8Array,
} from 'fast-check';

import { describeTree, makeTree, type TreeEntry } from '../../integration/agent/tar-tree.ts';
import { TarAgent } from '../../integration/agent/tar-volume.ts';
import { printedSeed } from '../../support/seeded-random.ts';

/** Modes that a user other than root can read. */
const READABLE = process.getuid?.() === 0 ? 0 : 0o700;

/** Any bytes but slash and NUL, within the limits of a file system. */
const name: Arbitrary<Buffer> = oneof(
  { weight: 3, arbitrary: uint8Array({ minLength: 1, maxLength: 12 }) },
  { weight: 1, arbitrary: uint8Array({ minLength: 90, maxLength: 255 }) },
)
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x2d : byte))))
  .filter((bytes) => !['.', '..'].includes(bytes.toString('latin1')));

const size = oneof(constantFrom(0, 1, 511, 512, 513, 1023, 1024, 262_144), integer({ min: 0, max: 5000 }));
const mode = integer({ min: 0, max: 0o777 }).map((bits) => bits | READABLE);
const mtime = oneof(
  integer({ min: 0, max: 2 ** 31 }),
  double({ min: -1e9, max: 2 ** 33, noNaN: true }),
  constantFrom(0, 1.5, -0.25, 2 ** 32 + 0.5),
);

/** An entry without its parent, which is one of the earlier entries. */
const seed = record({
  kind: constantFrom('file', 'file', 'file', 'folder', 'folder', 'sparse', 'symlink', 'hardlink' as const),
  parent: integer({ min: 0, max: 1000 }),
  other: integer({ min: 0, max: 1000 }),
  name,
  size,
  byte: integer({ min: 1, max: 255 }),
  mode,
  mtime,
  target: uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes.map((byte) => byte || 0x41))),
});

type Seed = typeof seed extends Arbitrary<infer T> ? T : never;

function place(seeds: readonly Seed[]): TreeEntry[] {
  const entries = new Map<string, TreeEntry>();
  const root: Buffer = Buffer.alloc(0);
  const folders = [root];
  const files: Buffer[] = [];
  for (const { kind, parent, other, name: base, size: length, byte, mode: bits, mtime: time, target } of seeds) {
    const folder = folders[parent % folders.length] ?? root;
    const path = folder.length === 0 ? base : Buffer.concat([folder, Buffer.from('/'), base]);
    if (entries.has(path.toString('latin1')) || path.length > 3000) continue;
    const file = files[other % Math.max(1, files.length)];
    const facts = { path, mtime: time, mode: bits };
    if (kind === 'folder') folders.push(path);
    if (kind === 'file' || kind === 'sparse') files.push(path);
    if (kind === 'folder') entries.set(path.toString('latin1'), { ...facts, kind, mode: bits | READABLE });
    else if (kind === 'symlink') entries.set(path.toString('latin1'), { path, mtime: time, kind, target });
    else if (kind === 'hardlink' && file !== undefined)
      entries.set(path.toString('latin1'), { path, mtime: time, kind, target: file });
    else if (kind === 'sparse')
      entries.set(path.toString('latin1'), {
        ...facts,
        kind,
        size: length * 40,
        pieces: new Map(
          [0, length * 20]
            .filter((at) => at < length * 40)
            .map((at) => [at, Buffer.alloc(Math.min(8, length * 40 - at), byte)]),
        ),
      });
    else if (kind === 'file')
      entries.set(path.toString('latin1'), { ...facts, kind, content: Buffer.alloc(length, byte) });
  }
  return [...entries.values()];
}

describe('any tree sent from pod to pod', () => {
  const first = TarAgent.forSuite();
  const second = TarAgent.forSuite();

  it('is equal there, and produces the same bytes again, from the other pod and from a copy', async () => {
    await assert(
      asyncProperty(array(seed, { minLength: 1, maxLength: 30 }).map(place), async (tree) => {
        const source = await first.volume();
        await makeTree(source.folder, tree);
        const expected = await describeTree(source.folder);
        const { archive } = await first.download(source.id);
        expect((await first.download(source.id)).archive.equals(archive), 'sent again').to.equal(true);

        const other = await second.volume();
        await second.upload(other.id, archive);
        expect(await describeTree(other.folder)).to.deep.equal(expected);
        expect((await second.download(other.id)).archive.equals(archive), 'sent by the other pod').to.equal(true);

        const copy = await second.volume();
        await second.call({ op: 'copy', from: other.id, to: copy.id });
        expect(await describeTree(copy.folder)).to.deep.equal(expected);
        expect((await second.download(copy.id)).archive.equals(archive), 'sent from the copy').to.equal(true);
        for (const [agent, id] of [
          [first, source.id] as const,
          [second, other.id] as const,
          [second, copy.id] as const,
        ])
          await agent.call({ op: 'remove', volume: id });
      }),
      { seed: printedSeed(), numRuns: 25 },
    );
  });
});
