import type { Mutant } from '../../../scripts/mutant.ts';

const rows = (grep: string) => ({ specs: ['test/integration/repository/pglite.spec.ts'], grep });
const volumes = { specs: ['test/unit/worker/volumes/stored-volume.spec.ts'] };
const streams = { specs: ['test/unit/worker/retention/open-streams.spec.ts'] };
const destroyable = 'src/repository/postgres/containers/destroyable-containers.ts';
const volumeStreams = 'src/repository/postgres/volumes/volume-streams.ts';

/** Faults in what a worker retains, and for how long, that a test must detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'the reaper deletes a container from which a host streams out',
    file: destroyable,
    find: 'return eb.and([eb.not(eb.exists(hijack)), eb.not(eb.exists(stream))]);',
    replace: 'return eb.and([eb.not(eb.exists(hijack)), eb.or([eb.exists(stream), eb.lit(true)])]);',
    killedBy: rows('an open stream'),
  },
  {
    name: 'the reaper deletes an artifact volume from which a host streams out',
    file: 'src/repository/postgres/volumes/destroyable-volumes.ts',
    find: "    .where('state', '=', 'destroying')\n    .where((eb) => eb.not(hasOpenStream()))",
    replace: "    .where('state', '=', 'destroying')",
    killedBy: rows('an open stream'),
  },
  {
    name: 'an artifact volume expires while it is streamed out',
    file: 'src/repository/postgres/volumes/destroyable-volumes.ts',
    find: '          .where(isDueVolume())\n          .where((eb) => eb.not(hasOpenStream()))',
    replace: '          .where(isDueVolume())',
    killedBy: rows('an open stream'),
  },
  {
    name: 'a stream of a host that died never ends',
    file: volumeStreams,
    find: "      .where('volume_streams.until', '>', now()),",
    replace: '',
    killedBy: rows('an open stream'),
  },
  {
    name: 'a stream that begins after the finish of an owner keeps its container',
    file: volumeStreams,
    find: "            eb.or([\n              eb('state', 'in', liveStates),",
    replace: "            eb.or([\n              eb('state', 'is not', null),",
    killedBy: rows('an open stream'),
  },
  {
    name: 'a use does not renew an artifact volume',
    file: volumeStreams,
    find: "expires_at: eb.fn('greatest', [",
    replace: "expires_at: eb.fn('least', [",
    killedBy: rows('the expiry of an artifact volume'),
  },
  {
    name: 'a kept container is still the live one of its owner',
    file: 'src/repository/postgres/tables.ts',
    find: "export const liveStates: readonly RawBuilder<'creating' | 'created'>[] = [creating, created];",
    replace:
      "export const liveStates: readonly RawBuilder<'creating' | 'created' | 'kept'>[] = [creating, created, kept];",
    killedBy: rows('a container that is kept'),
  },
  {
    name: 'a kept container blocks the next one of its owner',
    file: 'src/repository/postgres/migrations/0001-initial.ts',
    find: "    .unique()\n    .on('containers')\n    .columns(['worker_name', 'owner_digest'])\n    .where(sql.ref('state'), 'in', ['creating', 'created'])",
    replace:
      "    .unique()\n    .on('containers')\n    .columns(['worker_name', 'owner_digest'])\n    .where(sql.ref('state'), 'in', ['creating', 'created', 'kept'])",
    killedBy: rows('a container that is kept'),
  },
  {
    name: 'a worker keeps any number of containers',
    file: destroyable,
    find: '...(maxKept === undefined ? [] : [tooMany(maxKept)]),',
    replace: '...(maxKept === undefined ? [] : [tooMany(1_000_000)]),',
    killedBy: rows('a container that is kept'),
  },
  {
    name: 'a worker that keeps too many containers deletes the newest',
    file: destroyable,
    find: ".orderBy('kept_at', 'desc')",
    replace: ".orderBy('kept_at', 'asc')",
    killedBy: rows('a container that is kept'),
  },
  {
    name: 'a container is kept although it was never created',
    file: 'src/repository/postgres/containers/kept-containers.ts',
    find: "            .when('state', '=', creating)\n",
    replace: "            .when('state', '<>', creating)\n",
    killedBy: rows('keep'),
  },
  {
    name: 'the end of a stream overtakes its late begin',
    file: 'src/worker/retention/open-streams.ts',
    find: '    const releasing = keeping\n',
    replace: '    void keeping;\n    const releasing = Promise.resolve()\n',
    killedBy: streams,
  },
  {
    name: 'a stream is renewed after its row has lapsed',
    file: 'src/worker/retention/open-streams.ts',
    find: 'const renewEveryMs = leaseMs / 3;',
    replace: 'const renewEveryMs = leaseMs * 2;',
    killedBy: streams,
  },
  {
    name: 'an archive is returned before its stream is recorded',
    file: 'src/worker/volumes/stored-volume.ts',
    find: '      await abortable(stream.held, signal);\n',
    replace: '      void abortable;\n',
    killedBy: volumes,
  },
  {
    name: 'an abandoned archive keeps its pod',
    file: 'src/worker/volumes/stored-volume.ts',
    find: "      archive.once('close', () => void stream.close());\n",
    replace: "      archive.once('end', () => void stream.close());\n",
    killedBy: volumes,
  },
  {
    name: 'the copy of an input keeps its artifact for ever',
    file: 'src/worker/creation/container-inputs.ts',
    find: '  await sources.close();\n',
    replace: '  void sources.close;\n',
    killedBy: { specs: ['test/unit/worker/creation/container-inputs.spec.ts'] },
  },
  {
    name: 'a call waits for a container that is kept',
    file: 'src/worker/creation/find-or-create-container.ts',
    find: "  if (record?.state === 'kept') throw new ContainerDisappearedError(handle, workerName);\n",
    replace: '',
    killedBy: { specs: ['test/unit/worker/creation/find-or-create-holders.spec.ts'] },
  },
];
