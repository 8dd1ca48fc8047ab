import type { Mutant } from '../../../scripts/mutant.ts';

const rows = (grep: string) => ({ specs: ['test/integration/repository/pglite.spec.ts'], grep });
const races = (grep: string) => ({ specs: ['test/integration/repository/worker-states.spec.ts'], grep });
const registrarSpec = { specs: ['test/unit/controllers/registrar.spec.ts'] };
const guard = 'src/repository/postgres/workers/worker-guard.ts';
const moves = 'src/repository/postgres/workers/worker-moves.ts';
const workerRows = 'src/repository/postgres/workers/worker-rows.ts';
const registrar = 'src/controllers/registrar.ts';
const loop = 'src/controllers/heartbeat-loop.ts';

/** Faults in the states of workers that a test must detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a worker that lands accepts a container that is already being made',
    file: guard,
    find: "    .where('workers.state', '=', 'running')\n",
    replace: '',
    killedBy: rows('accepts no container that a call has begun to make before'),
  },
  {
    name: 'an insert does not wait for the move of its worker',
    file: guard,
    find: '\n    .forShare()',
    replace: '',
    killedBy: races('inserted while it begins to land'),
  },
  {
    name: 'a worker lands with a live container',
    file: moves,
    find: "            eb('seen.containers', '=', '0'),\n",
    replace: '',
    killedBy: rows('ends with the heartbeat that finds no live container'),
  },
  {
    name: 'a worker lands while an artifact volume is needed',
    file: moves,
    find: "            eb.or([eb('workers.land_artifacts', '=', 'keep'), eb.not(eb.ref('seen.needs_artifact'))]),\n",
    replace: '',
    killedBy: rows('H11'),
  },
  {
    name: 'an expired artifact volume keeps a worker from landing',
    file: moves,
    find: "      .where('expires_at', '>', now()),\n",
    replace: '',
    killedBy: rows('H11'),
  },
  {
    name: 'a worker lands by counts from before it began to land',
    file: moves,
    find: "            eb('workers.state_version', '=', eb.ref('seen.state_version')),\n",
    replace: '',
    killedBy: races('does not land by'),
  },
  {
    name: 'a heartbeat ends an earlier one that lasts longer',
    file: moves,
    find: "eb.fn<Date>('greatest', ['workers.expires_at', fromNow(expiresInMs)])",
    replace: 'fromNow(expiresInMs)',
    killedBy: rows('does not end earlier because of a later one'),
  },
  {
    name: 'a running worker is pruned',
    file: moves,
    find: "eb('expires_at', '<=', now())]))\n    .returning('name')",
    replace: "eb('expires_at', 'is not', null)]))\n    .returning('name')",
    killedBy: rows('refuses a worker that is running'),
  },
  {
    name: 'a worker stalls by the clock of a host',
    file: workerRows,
    find: "eb('workers.expires_at', '<=', now())",
    replace: "eb('workers.expires_at', '<=', new Date())",
    killedBy: races('whatever that of the host is'),
  },
  {
    name: 'a row that cannot be read breaks the list of workers',
    file: 'src/repository/postgres/workers/postgres-worker-states.ts',
    find: '  } catch {\n    return undefined;',
    replace: '  } catch (error) {\n    throw error;',
    killedBy: rows('H10'),
  },
  {
    name: 'a worker is renewed while its API server does not answer',
    file: registrar,
    find: '      await this.#noteStalled({ signal });\n      throw error;',
    replace: '      await this.#noteStalled({ signal });',
    killedBy: registrarSpec,
  },
  {
    name: 'heartbeats of a worker that no longer exists continue',
    file: loop,
    find: 'if (error instanceof WorkerNotRunningError)',
    replace: 'if (false)',
    killedBy: { specs: ['test/unit/controllers/heartbeat-loop.spec.ts'] },
  },
];
