import type { Mutant } from '../../../scripts/mutant.ts';

const podStart = { specs: ['test/unit/kubernetes/pod-start.spec.ts'] };
const podWatch = { specs: ['test/unit/kubernetes/pod-watch.spec.ts'] };
const podSpec = { specs: ['test/unit/kubernetes/pod-spec.spec.ts'] };
const cluster = { specs: ['test/integration/kubernetes/client-node-cluster.spec.ts'] };
const streams = { specs: ['test/integration/kubernetes/client-node-cluster-streams.spec.ts'] };

/** Mutants of `src/kubernetes`. */
export const mutants: readonly Mutant[] = [
  {
    name: 'client-node is loaded for each kubeconfig',
    file: 'src/kubernetes/parse-yaml.ts',
    find: "if (text.trimStart().startsWith('{')) {",
    replace: "if (text === '{}') {",
    killedBy: { specs: ['test/integration/startup/loaded-packages.spec.ts'], grep: 'and not client-node' },
  },
  {
    name: 'client-node acquires all credentials',
    file: 'src/kubernetes/connection-parameters.ts',
    find: 'if (user?.authProvider || proxy !== undefined)',
    replace: 'if (user !== undefined)',
    killedBy: { specs: ['test/integration/startup/loaded-packages.spec.ts'], grep: 'and not client-node' },
  },
  {
    name: 'a kubeconfig is not read again after the server has refused its credentials',
    file: 'src/kubernetes/credential-step.ts',
    find: '    this.#isRefused = true;',
    replace: '',
    killedBy: {
      specs: ['test/integration/kubernetes/client-node-cluster-config.spec.ts'],
      grep: 'read again once after a 401',
    },
  },
  {
    name: 'one refused pull is a final failure',
    file: 'src/kubernetes/pod-start.ts',
    find: 'count >= 2 ||',
    replace: 'count >= 1 ||',
    killedBy: podStart,
  },
  {
    name: 'a busy registry is a final failure',
    file: 'src/kubernetes/pod-start.ts',
    find: 'return now - since >= this.#imagePullMs;',
    replace: 'return now - since >= 0;',
    killedBy: podStart,
  },
  {
    name: 'words in the name of an image are evaluated',
    file: 'src/kubernetes/pod-status.ts',
    find: "const words = withoutNames(message ?? '', image);",
    replace: "const words = `${message ?? ''}${withoutNames('', image)}`;",
    killedBy: podStart,
  },
  {
    name: 'a container that ends at each start is not a failure',
    file: 'src/kubernetes/pod-start.ts',
    find: 'const finalExits = 3;',
    replace: 'const finalExits = 300;',
    killedBy: podStart,
  },
  {
    name: 'a pod that is missing from a list counts as deleted',
    file: 'src/kubernetes/pod-watch.ts',
    find: 'else if (!observer.isGone) void this.#readUntilListed(observer, signal);',
    replace: 'else if (!observer.isGone && !signal.aborted) observer.offer(undefined);',
    killedBy: podWatch,
  },
  {
    name: 'a pod with another uid counts as the same',
    file: 'src/kubernetes/pod-observer.ts',
    find: 'const pod = this.#uid === undefined || this.#uid === uid ? offered : undefined;',
    replace: 'const pod = offered;',
    killedBy: podWatch,
  },
  {
    name: 'the size of a pod is not limited',
    file: 'src/kubernetes/pod-spec.ts',
    find: 'if (bytes > maxPodBytes)',
    replace: 'if (bytes > 10 * maxPodBytes)',
    killedBy: podSpec,
  },
  {
    name: 'a credential plug-in runs for each call',
    file: 'src/kubernetes/credential-step.ts',
    find: '(this.#flight ??= this.#start({ needsWaiters: true }))',
    replace: '(this.#flight = this.#start({ needsWaiters: true }))',
    killedBy: { specs: ['test/integration/kubernetes/credential-plugins.spec.ts'], grep: 'runs once for fifty' },
  },
  {
    name: 'a hung credential plug-in has no time limit',
    file: 'src/kubernetes/credential-step.ts',
    find: 'new CallSignal(stop, limitMs,',
    replace: 'new CallSignal(stop, undefined,',
    killedBy: { specs: ['test/integration/kubernetes/credential-plugins.spec.ts'], grep: 'that hangs is killed' },
  },
  {
    name: 'an aborted call leaves its credential plug-in running',
    file: 'src/kubernetes/credential-step.ts',
    find: 'if (flight.waiters === 0 && flight.needsWaiters) this.#end(flight);',
    replace: '',
    killedBy: { specs: ['test/integration/kubernetes/credential-plugins.spec.ts'], grep: 'ended by the signal' },
  },
  {
    name: 'calls wait for credentials that are renewed early',
    file: 'src/kubernetes/credential-step.ts',
    find: '      return held.access;',
    replace: '      return now >= held.freshUntil ? await this.#join(signal) : held.access;',
    killedBy: {
      specs: ['test/integration/kubernetes/credential-plugins.spec.ts'],
      grep: 'no call with valid ones waits',
    },
  },
  {
    name: 'refused credentials are not discarded',
    file: 'src/kubernetes/credential-step.ts',
    find: 'if (this.#held?.access !== access) return;',
    replace: 'return;',
    killedBy: { specs: ['test/integration/kubernetes/credential-plugins.spec.ts'], grep: 'refuses with 401' },
  },
  {
    name: 'each refused call acquires new credentials',
    file: 'src/kubernetes/credential-step.ts',
    find: 'if (this.#held?.access !== access) return;',
    replace: '',
    killedBy: { specs: ['test/integration/kubernetes/credential-plugins.spec.ts'], grep: 'refuses with 401' },
  },
  {
    name: 'the stderr of a plug-in is quoted with its secrets',
    file: 'src/kubernetes/exec-credential.ts',
    find: 'const stderr = withoutSecrets(end.stderr, end.stdout).trim();',
    replace: 'const stderr = end.stderr.trim();',
    killedBy: { specs: ['test/unit/kubernetes/exec-credential.spec.ts'] },
  },
  {
    name: 'a token file is not trimmed',
    file: 'src/kubernetes/resolve-access.ts',
    find: "(await abortable(readFile(path, 'utf8'), signal)).trim()",
    replace: "await abortable(readFile(path, 'utf8'), signal)",
    killedBy: { specs: ['test/integration/kubernetes/kubectl-rules.spec.ts'], grep: 'is trimmed' },
  },
  {
    name: 'the proxy of the environment has precedence over that of the kubeconfig',
    file: 'src/kubernetes/resolve-access.ts',
    find: 'cluster.proxyUrl || environmentProxy(new URL(cluster.server), environment)',
    replace: 'environmentProxy(new URL(cluster.server), environment) || cluster.proxyUrl',
    killedBy: { specs: ['test/integration/kubernetes/kubectl-rules.spec.ts'], grep: 'proxy-url' },
  },
  {
    name: "a proxy's 404 counts as absence",
    file: 'src/kubernetes/client-node-cluster.ts',
    find: "if (error instanceof ApiError && error.status === 404 && error.reason === 'NotFound') return undefined;",
    replace: 'if (error instanceof ApiError && error.status === 404) return undefined;',
    killedBy: cluster,
  },
  {
    name: 'a pod is deleted by its name alone',
    file: 'src/kubernetes/client-node-cluster.ts',
    find: '...(uid === undefined ? {} : { preconditions: { uid } })',
    replace: '...{}',
    killedBy: cluster,
  },
  {
    name: 'a response without items counts as an empty list',
    file: 'src/kubernetes/object-json.ts',
    find: 'if (items !== null && !Array.isArray(items)) return undefined;',
    replace: 'if (items !== null && !Array.isArray(items)) return { items: [] };',
    killedBy: cluster,
  },
  {
    name: 'a refused watch is opened again',
    file: 'src/kubernetes/api-caller.ts',
    find: "if (retry === 'unanswered') return error instanceof ApiUnavailableError && error.status === undefined;",
    replace: "if (retry === 'unanswered') return true;",
    killedBy: streams,
  },
];
