import type { Mutant } from '../../../scripts/mutant.ts';

const election = { specs: ['test/unit/controllers/leadership.spec.ts'] };

export const mutants: readonly Mutant[] = [
  {
    name: 'two objects lead at a time',
    file: 'src/controllers/leadership.ts',
    find: 'id: holder, limit: 1,',
    replace: 'id: holder, limit: 2,',
    killedBy: election,
  },
  {
    name: 'a leader that stops keeps its lease',
    file: 'src/controllers/leadership.ts',
    find: 'if (signal.aborted) await this.#handBack();',
    replace: 'if (signal.aborted) await Promise.resolve();',
    killedBy: election,
  },
  {
    name: 'controllers are not awaited before the lease is handed back',
    file: 'src/controllers/leadership.ts',
    find: 'await Promise.all(controllers.map((controller) => controller.close()));',
    replace: 'void Promise.all(controllers.map((controller) => controller.close()));',
    killedBy: election,
  },
  {
    name: 'a refusal for any reason ends the election',
    file: 'src/controllers/leadership.ts',
    find: "error instanceof InvalidSpecError && error.field === 'workerName'",
    replace: 'error instanceof InvalidSpecError',
    killedBy: election,
  },
  {
    name: 'a host may reserve the lease of the controllers',
    file: 'src/placement/placement.ts',
    find: 'if (kind.startsWith(reservedKindPrefix))',
    replace: 'if (kind === reservedKindPrefix)',
    killedBy: { specs: ['test/unit/placement/placement.spec.ts'] },
  },
  {
    name: 'a service that drains is ready',
    file: 'src/service/serve/service-state.ts',
    find: "ok: this.#phase === 'running' };",
    replace: "ok: this.#phase !== 'starting' };",
    killedBy: { specs: ['test/unit/service/serve/service-state.spec.ts'] },
  },
  {
    name: 'a result that is too old counts',
    file: 'src/service/serve/service-state.ts',
    find: 'if (ageMs <= maxAgeMs) return',
    replace: 'if (ageMs <= 2 * maxAgeMs) return',
    killedBy: { specs: ['test/unit/service/serve/service-state.spec.ts'] },
  },
  {
    name: 'a store that does not answer fails readiness',
    file: 'src/service/serve/background-checks.ts',
    find: 'maxAgeMs, isRequired: false',
    replace: 'maxAgeMs, isRequired: true',
    killedBy: { specs: ['test/unit/service/serve/background-checks.spec.ts'] },
  },
  {
    name: 'the start does not wait for a migration of another program',
    file: 'src/service/serve/open-when-available.ts',
    find: "error.field === 'migrate'",
    replace: "error.field === 'database'",
    killedBy: { specs: ['test/unit/service/serve/open-when-available.spec.ts'] },
  },
  {
    name: 'a step of the drain that hangs hangs the end',
    file: 'src/service/serve/life-cycle.ts',
    find: 'await Promise.race([ended, late]);',
    replace: 'await ended;',
    killedBy: { specs: ['test/unit/service/serve/life-cycle.spec.ts'] },
  },
  {
    name: 'a database that refuses a password is not asked with another one',
    file: 'src/repository/postgres/connection/renewed-pool.ts',
    find: 'if (url === failed.url) return undefined;',
    replace: 'return undefined;',
    killedBy: { specs: ['test/unit/repository/renewed-pool.spec.ts'] },
  },
  {
    name: 'calls that wait for the pool before are not awaited',
    file: 'src/repository/postgres/connection/renewed-pool.ts',
    find: "await calls.close(new Error('the URL was replaced'));",
    replace: 'void calls;',
    killedBy: { specs: ['test/unit/repository/renewed-pool.spec.ts'] },
  },
  {
    name: 'a pass that is incomplete is a success',
    file: 'src/controllers/reap-loop.ts',
    find: 'if (complete) record?.succeeded();',
    replace: 'record?.succeeded();',
    killedBy: { specs: ['test/unit/controllers/reap-loop.spec.ts'] },
  },
];
