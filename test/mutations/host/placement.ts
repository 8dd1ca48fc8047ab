import type { Mutant } from '../../../scripts/mutant.ts';

const contract = { specs: ['test/integration/repository/postgres.spec.ts'], grep: 'reserve' };
const placement = { specs: ['test/unit/placement/placement.spec.ts'] };
const statements = 'src/repository/postgres/placement/reservations.ts';

/** Changes of `src/placement` and of the statements of reservations that a spec has to detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a reservation takes a place that lives',
    file: statements,
    find: ".where('reservations.expires_at', '<=', now()),",
    replace: ".where('reservations.expires_at', 'is not', null),",
    killedBy: contract,
  },
  {
    name: 'a caller that has lost a place counts as refused',
    file: 'src/repository/postgres/placement/postgres-reservation-repository.ts',
    find: "if (found?.tried === '0') return undefined;",
    replace: 'return undefined;',
    killedBy: contract,
  },
  {
    name: 'an artifact in a pod of another handle counts as reachable',
    file: 'src/placement/placement.ts',
    find: 'return isOfHandle(pod?.metadata, wanted.handle) ? pod : undefined;',
    replace: 'return pod;',
    killedBy: placement,
  },
];
