import type { Mutant } from '../../../scripts/mutant.ts';

const format = { specs: ['test/unit/archives/format/archive-format.spec.ts'] };
const transfers = { specs: ['test/unit/archives/store-transfers.spec.ts'] };

/** Changes of `src/archives` that a test must detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a seek table that does not agree with the frames is accepted',
    file: 'src/archives/format/archive-reader.ts',
    find: 'if (!part.equals(expected.subarray(0, part.length)))',
    replace: 'if (part.length === 0)',
    killedBy: format,
  },
  {
    name: 'bytes after the seek table are ignored',
    file: 'src/archives/format/archive-reader.ts',
    find: "if (expected.length === 0) throw this.#damaged('bytes follow its seek table');",
    replace: 'if (expected.length === 0) return Buffer.alloc(0);',
    killedBy: format,
  },
  {
    name: 'an archive without its seek table is complete',
    file: 'src/archives/format/archive-reader.ts',
    find: 'if (this.#expected === undefined || this.#expected.length > 0)',
    replace: 'if (this.#held > 0)',
    killedBy: format,
  },
  {
    name: 'the sender of frames declares any length',
    file: 'src/archives/format/archive-writer.ts',
    find: 'if (content.rawLength !== rawLength)',
    replace: 'if (content.rawLength < 0)',
    killedBy: format,
  },
  {
    name: 'a save does not compare the digest of the agent',
    file: 'src/archives/save-frames.ts',
    find: 'has.rawBytes === sent.rawBytes && has.digest === sent.digest',
    replace: 'has.rawBytes === sent.rawBytes',
    killedBy: transfers,
  },
  {
    name: 'a frame is passed before the store has taken it',
    file: 'src/archives/save-frames.ts',
    find: 'const stored = writer.add(frame);',
    replace: 'const stored = writer.add(frame);\n      frames.passed(frame);',
    killedBy: transfers,
  },
  {
    name: 'a write does not compare the digest of the store',
    file: 'src/archives/write-verified.ts',
    find: ' && storedDigest === digest) return;',
    replace: ') return;',
    killedBy: transfers,
  },
  {
    name: 'a read does not compare the stored digest',
    file: 'src/archives/stored-bytes.ts',
    find: 'if (digest !== storedDigest)',
    replace: 'if (digest.length !== storedDigest.length)',
    killedBy: transfers,
  },
  {
    name: 'an outdated archive is the content of a volume',
    file: 'src/repository/postgres/rows.ts',
    find: 'row.archive === null || row.archive_ready_at !== row.ready_at',
    replace: 'row.archive === null',
    killedBy: rows('none after a host of an earlier version'),
  },
  {
    name: 'a volume with other content keeps its archive',
    file: 'src/repository/postgres/postgres-volume-repository.ts',
    find: '          ...withoutArchive,\n',
    replace: '',
    killedBy: rows('two references'),
  },
  {
    name: 'a lease that has not lapsed is taken over',
    file: `${folder}/begin-archive.ts`,
    find: '        .where(lapsed())\n',
    replace: "        .where('state', '=', creating)\n",
    killedBy: rows('finds the archive that another holder writes'),
  },
  {
    name: 'a cache is lost although a live volume keeps its archive',
    file: evict,
    find: 'eb.or([isLiveWithoutCache(), hasOpenStream()])',
    replace: 'hasOpenStream()',
    killedBy: rows('also beside a cache'),
  },
  {
    name: 'an eviction takes the archive of a volume with an open stream',
    file: evict,
    find: 'eb.or([isLiveWithoutCache(), hasOpenStream()])',
    replace: 'isLiveWithoutCache()',
    killedBy: rows('until the stream ends'),
  },
];
