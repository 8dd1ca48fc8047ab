import type { Mutant } from '../../../scripts/mutant.ts';

const access = { specs: ['test/unit/service/status/access.spec.ts'] };
const api = { specs: ['test/unit/service/status/api.spec.ts'] };
const logs = { specs: ['test/unit/service/status/task-logs.spec.ts'] };
const secrets = { specs: ['test/unit/service/status/secrets.spec.ts'] };
const socket = 'test/integration/service/status-server.spec.ts';

/** Changes of `src/service/status`, and of what the library has for it, that a test must detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a token that is not in the file is accepted',
    file: 'src/service/status/access/token-file.ts',
    find: 'isValid = timingSafeEqual(sha256(each), digest) || isValid;',
    replace: 'isValid = true;',
    killedBy: access,
  },
  {
    name: 'a file without a token accepts every token',
    file: 'src/service/status/access/token-file.ts',
    find: '.filter((line) => line.length >= minTokenLength);',
    replace: '.filter((line) => line.length >= 0);',
    killedBy: access,
  },
  {
    name: 'a user without the permission is accepted',
    file: 'src/service/status/access/token-reviews.ts',
    find: 'if (!allowed)',
    replace: 'if (user === "")',
    killedBy: access,
  },
  {
    name: 'a decision about a token is used for ever',
    file: 'src/service/status/access/token-reviews.ts',
    find: 'known.until > this.#now()',
    replace: 'known.until >= 0',
    killedBy: access,
  },
  {
    name: 'a page of a browser reaches the API by another name',
    file: 'src/service/status/access/access-control.ts',
    find: "name.toLowerCase() !== 'localhost' && isIP(name) === 0",
    replace: 'name === undefined',
    killedBy: access,
  },
  {
    name: 'the API is open on an exposed address',
    file: 'src/service/status/access/access-control.ts',
    find: 'if (!isLocal) throw',
    replace: 'if (host === "none") throw',
    killedBy: access,
  },
  {
    name: 'a fault of the service shows its message',
    file: 'src/service/status/http/http-error.ts',
    find: "'The service failed to answer the request.'",
    replace: 'String(error)',
    killedBy: api,
  },
  {
    name: 'a request that is over takes a place for ever',
    file: 'src/service/status/http/request-handler.ts',
    find: 'within.throwIfAborted();',
    replace: '',
    killedBy: api,
  },
  {
    name: 'the texts of terminations are shown',
    file: 'src/service/status/routes/container-routes.ts',
    find: 'return { exitCode, reason: reason ?? null,',
    replace: 'return { ...arguments[0], exitCode, reason: reason ?? null,',
    killedBy: secrets,
  },
  {
    name: 'all pods of a page are asked at once',
    file: 'src/service/each-of.ts',
    find: 'const maxCalls = 8;',
    replace: 'const maxCalls = 100;',
    killedBy: { specs: ['test/unit/service/each-of.spec.ts'] },
  },
  {
    name: 'a viewer of a log frees the output of other hosts',
    file: 'src/service/status/routes/task-logs.ts',
    find: '{ output }, { from, observe: true, signal }',
    replace: '{ output }, { from, signal }',
    killedBy: logs,
  },
  {
    name: 'log streams are not counted',
    file: 'src/service/status/routes/task-logs.ts',
    find: 'if (this.#streams >= this.#maxStreams)',
    replace: 'if (this.#streams < 0)',
    killedBy: logs,
  },
  {
    name: 'a client that does not read keeps its connection',
    file: 'src/service/status/http/send-reply.ts',
    find: 'AbortSignal.timeout(stallMs)',
    replace: 'AbortSignal.timeout(stallMs * 1000)',
    killedBy: { specs: [socket], grep: 'does not read' },
  },
  {
    name: 'a server that closes keeps its streams',
    file: 'src/service/status/http/http-server.ts',
    find: "request.abort(new Error('the server closes'));",
    replace: 'void request;',
    killedBy: { specs: [socket], grep: 'ends streams' },
  },
];
