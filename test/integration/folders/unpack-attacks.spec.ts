import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';
import fc from 'fast-check';

import { encodeHeader } from '../../../src/archives/tar/encode-header.ts';
import { CLOSING_BLOCKS } from '../../../src/archives/tar/header-block.ts';
import { sealHeader } from '../../../src/archives/tar/tar-header.ts';
import { isKubernetesWorkerError, unpackFolder } from '../../../src/index.ts';
import { inChunks } from '../../support/stores/archive-bytes.ts';

/** Components of few names, so that entries meet, and those that lead elsewhere. */
const component = fc.constantFrom('a', 'b', 'l', '.', '..', '', 'victim', 'n'.repeat(120), '\xff');
const name = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const entry = fc.record({
  kind: fc.constantFrom('file', 'directory', 'symlink', 'link'),
  name,
  target: fc.oneof(name, fc.constantFrom('..', '../..', '/', '/tmp', '../outside', '../outside/victim')),
  mode: fc.constantFrom(0o777, 0o6755, 0o700, 0),
  size: fc.nat({ max: 700 }),
  mtimeNs: fc.constantFrom(0n, 1_700_000_000_000_001_000n, -1n, 99_999_999_999_999n),
});
/** Bytes of a header that are overwritten: its checksum is corrected, so that the rest is read. */
const damage = fc.option(fc.record({ at: fc.nat({ max: 511 }), byte: fc.nat({ max: 255 }), seals: fc.boolean() }));

/** An entry of an archive that is unpacked. */
const plain: Entry = { kind: 'file', name: 'a', target: '', mode: 0o700, size: 5, mtimeNs: 0n };

type Entry = typeof entry extends fc.Arbitrary<infer T> ? T : never;
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

function encode({ size, ...rest }: Entry, wrong: Damage): Buffer {
  const bytes = rest.kind === 'file' ? size : 0;
  const header = encodeHeader({ ...rest, size: bytes });
  const block = header.subarray(-512);
  if (wrong !== null) block[wrong.at] = wrong.byte;
  if (wrong?.seals === true) sealHeader(block);
  return Buffer.concat([header, Buffer.alloc(Math.ceil(bytes / 512) * 512, 'x')]);
}

/** Returns everything that is below a folder, with modes, times and content. */
async function stateOf(folder: string): Promise<readonly string[]> {
  const states: string[] = [];
  for (const each of (await readdir(folder, { recursive: true })).sort()) {
    const { mode, mtimeNs, ino, nlink } = await lstat(join(folder, each), { bigint: true });
    const content = (mode & 0o170000n) === 0o100000n ? await readFile(join(folder, each), 'latin1') : '';
    states.push(`${each} ${mode} ${mtimeNs} ${ino} ${nlink} ${content}`);
  }
  return states;
}

describe('unpackFolder of any archive', () => {
  let home: string;
  let outside: string;

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'kw-attacks-'));
    outside = join(home, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'victim'), 'as it was', { mode: 0o640 });
    await symlink('victim', join(outside, 'l'));
  });

  afterEach(async () => {
    await rm(home, { recursive: true, force: true });
  });

  it('changes nothing outside of the folder, rejects with a typed error, and leaves nothing then', async () => {
    const before = await stateOf(outside);
    const folder = join(home, 'target');
    let refused = 0;
    let unpacked = 0;
    const archive = fc.tuple(fc.array(fc.tuple(entry, damage), { minLength: 1, maxLength: 8 }), fc.integer({ min: 1 }));
    await fc.assert(
      fc.asyncProperty(archive, async ([entries, seed]) => {
        const bytes = Buffer.concat([...entries.map(([each, wrong]) => encode(each, wrong)), CLOSING_BLOCKS]);
        const outcome = await unpackFolder(inChunks(bytes, seed, 900), folder).catch((error: unknown) => {
          refused += 1;
          if (!isKubernetesWorkerError(error)) throw error;
        });
        if (outcome !== undefined) {
          unpacked += 1;
          await rm(folder, { recursive: true });
        }
        expect(await readdir(home)).to.deep.equal(['outside']);
        expect(await stateOf(outside)).to.deep.equal(before);
      }),
      { numRuns: 200, examples: [[[[[plain, null]], 1]], [[[[{ ...plain, name: '../victim' }, null]], 1]]] },
    );
    // Neither side of the property is empty, whatever the random archives are.
    expect(Math.min(refused, unpacked)).to.be.greaterThan(0);
  });
});
