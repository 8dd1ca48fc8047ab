import type { Mutant } from '../../../scripts/mutant.ts';

const rows = (grep: string) => ({ specs: ['test/integration/repository/pglite.spec.ts'], grep });
const races = (grep: string) => ({ specs: ['test/integration/repository/archive-races.spec.ts'], grep });
const folder = 'src/repository/postgres/archives';
const refer = `${folder}/refer-archive.ts`;
const evict = `${folder}/evict-archives.ts`;

/** Changes of the rows of archives. */
export const mutants: readonly Mutant[] = [
  {
    name: 'an archive that a volume refers to meanwhile is destroyed',
    file: `${folder}/destroyable-archives.ts`,
    find: "    .whereRef('archives.uses', '=', 'due.uses')\n",
    replace: '',
    killedBy: races('before findDestroyable'),
  },
  {
    name: 'an archive that a volume refers to meanwhile is evicted',
    file: evict,
    find: "        .whereRef('archives.uses', '=', 'free.uses')\n",
    replace: '',
    killedBy: races('before evict'),
  },
  {
    name: 'a reference to an archive is no use',
    file: refer,
    find: "    .set((eb) => ({ uses: eb('uses', '+', '1'), last_used_at: now() }))",
    replace: '    .set({ last_used_at: now() })',
    killedBy: races('before findDestroyable'),
  },
  {
    name: 'an archive that is not ready becomes the content of a volume',
    file: refer,
    find: "    .where('id', '=', id)\n    .where('state', '=', ready)\n",
    replace: "    .where('id', '=', id)\n    .where('key', 'is not', null)\n",
    killedBy: races('findDestroyable before'),
  },
  {
    name: 'an earlier holder commits an archive',
    file: refer,
    find: "          .where('lease_holder', '=', holder)\n",
    replace: '',
    killedBy: rows('by the earlier holder'),
  },
  {
    name: 'an earlier attempt is committed',
    file: refer,
    find: "          .where('attempt', '=', attempt)\n",
    replace: '',
    killedBy: rows('attempt before, also if both holders have one name'),
  },
  {
    name: 'an archive without the latest content becomes the content of a volume',
    file: refer,
    find: "...(when === 'always'\n",
    replace: "...(when === 'always' || volume !== undefined\n",
    killedBy: rows('newer than the attempt'),
  },
  {
    name: 'an archive replaces another one than expected',
    file: refer,
    find: "'is not distinct from',",
    replace: "'is distinct from',",
    killedBy: rows('replaces the archive that is expected'),
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
    file: 'src/repository/postgres/volumes/postgres-volume-repository.ts',
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
