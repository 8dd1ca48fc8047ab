import type { Mutant } from '../../../scripts/mutant.ts';

const rows = (grep: string) => ({ specs: ['test/integration/repository/pglite.spec.ts'], grep });
const caches = { specs: ['test/unit/caches/caches.spec.ts'] };
const creations = { specs: ['test/unit/worker/creation/find-or-create-caches.spec.ts'] };
const blessVolume = 'src/repository/postgres/caches/bless-volume.ts';
const validity = 'src/repository/postgres/caches/cache-validity.ts';

/** Changes of what task caches and resource caches consist of. */
export const mutants: readonly Mutant[] = [
  {
    name: 'the first finisher of a task stands',
    file: blessVolume,
    find: '.$if(!replace, (stale)',
    replace: '.$if(replace || !replace, (stale)',
    killedBy: rows('of a task is replaced'),
  },
  {
    name: 'the last writer of a resource stands',
    file: blessVolume,
    find: '.$if(!replace, (stale)',
    replace: '.$if(replace && !replace, (stale)',
    killedBy: rows('of a resource stays that of its first writer'),
  },
  {
    name: 'the volume of a replaced cache stays',
    file: blessVolume,
    find: ".select('replaced.volume_id'))\n        .where('state', 'in', liveStates),",
    replace: ".select('replaced.volume_id'))\n        .where('state', '=', 'failed'),",
    killedBy: rows('of a task is replaced'),
  },
  {
    name: 'a volume that is the cache of another key replaces a cache, and is none',
    file: blessVolume,
    find: ".where((eb) => eb.not(eb.exists(eb.selectFrom('used').select('used.volume_id')))),",
    replace: ',',
    killedBy: rows('has a volume that is not the cache of another key'),
  },
  {
    name: 'an invalid cache is found',
    file: validity,
    find: "    eb('caches.invalid_since', 'is', null),\n    eb('volumes.state'",
    replace: "    eb('volumes.state'",
    killedBy: rows('that is a copy leaves its origin valid'),
  },
  {
    name: 'an expired cache is found until the reaper’s next pass',
    file: validity,
    find: "    eb('volumes.expires_at', '>', now()),\n",
    replace: '',
    killedBy: rows('is gone when its volume has expired'),
  },
  {
    name: 'a copy that is blessed while its origin becomes invalid stays valid',
    file: validity,
    find: ".expression(db.selectFrom('own').select('own.handle as origin'))",
    replace: ".expression(db.selectFrom('own').select('own.handle as origin').limit(0))",
    killedBy: rows('stays the end of its copies'),
  },
  {
    name: 'copies outlive the invalidation of their origin',
    file: validity,
    find: "eb('origin', 'in', eb.selectFrom('own').select('own.handle')),",
    replace: '',
    killedBy: rows('takes its copies on other workers with it'),
  },
  {
    name: 'a use does not renew a cache',
    file: validity,
    find: "['volumes.expires_at', fromNow(eb.ref('caches.ttl_ms'))]",
    replace: "['volumes.expires_at', fromNow(0)]",
    killedBy: rows('lives from its last use'),
  },
  {
    name: 'the copy of a loser stays until it expires',
    file: 'src/stores/temporary-volume.ts',
    find: 'if (!isKept)',
    replace: 'if (isKept && !isKept)',
    killedBy: caches,
  },
  {
    name: 'a copy that takes long is not renewed',
    file: 'src/stores/temporary-volume.ts',
    find: 'copyExpiryMs / 3',
    replace: 'copyExpiryMs * 3',
    killedBy: caches,
  },
  {
    name: 'a resource that has a cache is copied again',
    file: 'src/caches/caches.ts',
    find: 'if (first !== undefined) return first.handle === volume.handle;',
    replace: '',
    killedBy: caches,
  },
  {
    name: 'a broken cache fails every attempt',
    file: 'src/worker/creation/container-caches.ts',
    find: 'await pods.retry(() => caches.dropTaskCache(key, handle, { signal }), { signal });',
    replace: '',
    killedBy: creations,
  },
  {
    name: 'the end of the container’s own pod drops the cache',
    file: 'src/worker/creation/container-caches.ts',
    find: "if (blame === 'container') throw error;",
    replace: '',
    killedBy: creations,
  },
];
