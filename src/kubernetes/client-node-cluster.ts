import type { KubeConfig } from '@kubernetes/client-node';

import { InvalidSpecError } from '../errors/caller.ts';
import type { ApiCallFacts } from '../errors/cluster.ts';
import { ApiError, ConflictError, ForbiddenError } from '../errors/cluster.ts';
import { isKubernetesWorkerError } from '../errors/error-code.ts';
import type { ExecEndpoint } from '../exec/exec-endpoint.ts';
import { quote } from '../internal/quote.ts';
import { systemClock } from '../internal/system-clock.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';
import type { ApiCall } from './api-caller.ts';
import { ApiCaller } from './api-caller.ts';
import { apiAnswerError, noAnswerError } from './api-error.ts';
import { CallSignal, CallTimeout } from './call-signal.ts';
import type {
  Cluster,
  ConfigMap,
  DeletePodOptions,
  ExecEndpointOptions,
  ExecTarget,
  LogLine,
  LogTarget,
  Pod,
  PodChange,
  PodList,
} from './cluster.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { execEndpointOf } from './exec-target.ts';
import { kubeConfigSource } from './kube-config-source.ts';
import { linesOf } from './lines.ts';
import { logLinesOf } from './log-lines.ts';
import { paged } from './paged.ts';
import type { WatchFacts } from './watch-event.ts';
import { decodeWatchLine, watchAnswerError } from './watch-event.ts';
import { WatchExpiredError } from './watch-expired-error.ts';

/** Options of `ClientNodeCluster.fromConfig`. */
export interface ClientNodeClusterOptions {
  /** client-node's configuration, a path of one, or the default loading rules (`KUBECONFIG`, `~/.kube/config`, the pod's service account). */
  readonly kubeConfig?: KubeConfig | string | undefined;
  /** @defaultValue the context's, else `default` */
  readonly namespace?: string | undefined;
  /** How long an answer may take, in milliseconds, and getting credentials before it. A watch may take for ever. @defaultValue 30_000 */
  readonly callTimeoutMs?: number | undefined;
  /** @defaultValue the system's */
  readonly clock?: Clock | undefined;
  /** Names kubeconfig files and proxies, and is what credential plug-ins get. @defaultValue this process's */
  readonly environment?: NodeJS.ProcessEnv | undefined;
}

const architectureLabel = 'kubernetes.io/arch';
/** The server ends a watch after this, and sends a bookmark about every minute. */
const watchSeconds = 290;
const watchSilenceMs = 150_000;
/** A log may be silent for ever, and so may a dead connection: after this one asks again. */
const logSilenceMs = 60_000;

/** The cluster that a kubeconfig leads to, by `@kubernetes/client-node`. Holds no connection that must be closed. */
export class ClientNodeCluster implements Cluster {
  readonly namespace: string;
  readonly #caller: ApiCaller;
  /** By which access each endpoint was made. */
  readonly #accesses = new WeakMap<ExecEndpoint, ClusterAccess>();

  /** @throws InvalidSpecError - `kubeConfig`: cannot be read, or its context leads nowhere; `namespace`: not the name of one */
  static fromConfig(options: ClientNodeClusterOptions = {}): ClientNodeCluster {
    const { clock = systemClock(), callTimeoutMs = 30_000, environment = process.env } = options;
    const caller = new ApiCaller({
      source: kubeConfigSource(options.kubeConfig, { environment }),
      clock,
      callTimeoutMs,
      environment,
    });
    const context = caller.kubeConfig.getContextObject(caller.kubeConfig.getCurrentContext());
    const namespace = options.namespace ?? context?.namespace ?? 'default';
    return new ClientNodeCluster(caller, checkNamespace(namespace));
  }

  private constructor(caller: ApiCaller, namespace: string) {
    this.#caller = caller;
    this.namespace = namespace;
  }

  async createPod(pod: Pod, options: AbortOptions = {}): Promise<Pod> {
    const call = this.#describe('create', 'pods', options, 'unsent');
    return this.#caller.call(call, (api, config) =>
      api.createNamespacedPod({ namespace: this.namespace, body: pod }, config),
    );
  }

  async getPod(name: string, options: AbortOptions = {}): Promise<Pod | undefined> {
    const call = this.#describe('get', 'pods', options);
    return orNothing(
      this.#caller.call(call, (api, config) => api.readNamespacedPod({ namespace: this.namespace, name }, config)),
    );
  }

  async listPods(labelSelector: string, options: AbortOptions = {}): Promise<PodList> {
    const call = this.#describe('list', 'pods', options);
    const { items, resourceVersion } = await paged((page) =>
      this.#caller.call(call, (api, config) =>
        api.listNamespacedPod({ namespace: this.namespace, labelSelector, ...page }, config),
      ),
    );
    return { pods: items, resourceVersion };
  }

  async *watchPods(
    labelSelector: string,
    resourceVersion: string,
    options: AbortOptions = {},
  ): AsyncGenerator<PodChange, void, undefined> {
    const call = this.#describe('watch', 'pods', options);
    const facts: WatchFacts = { ...call.facts, resourceVersion };
    const query = {
      watch: 'true',
      labelSelector,
      resourceVersion,
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(watchSeconds),
    };
    using silence = new CallSignal(options.signal, watchSilenceMs);
    try {
      const response = await this.#caller.open(
        call,
        `/api/v1/namespaces/${this.namespace}/pods`,
        query,
        silence.signal,
      );
      if (response.httpStatusCode !== 200)
        throw watchAnswerError(response.httpStatusCode, await response.body.text(), facts);
      yield* changesOf(response.body.stream(), facts, silence);
    } finally {
      // Whoever stops reading lets go of the connection.
      silence.abort(new Error('the watch is over'));
    }
  }

  async deletePod(name: string, options: DeletePodOptions = {}): Promise<boolean> {
    const { uid, gracePeriodSeconds } = options;
    // A second attempt without a uid could hit another pod of the same name.
    const call = this.#describe('delete', 'pods', options, uid === undefined ? 'unsent' : 'safe');
    const body = {
      ...(uid === undefined ? {} : { preconditions: { uid } }),
      ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    };
    try {
      const deleted = this.#caller.call(call, (api, config) =>
        api.deleteNamespacedPod({ namespace: this.namespace, name, body }, config),
      );
      return (await orNothing(deleted)) !== undefined;
    } catch (error) {
      if (error instanceof ConflictError && uid !== undefined) return false;
      throw error;
    }
  }

  async createConfigMap(configMap: ConfigMap, options: AbortOptions = {}): Promise<void> {
    const call = this.#describe('create', 'configmaps', options, 'unsent');
    await this.#caller.call(call, (api, config) =>
      api.createNamespacedConfigMap({ namespace: this.namespace, body: configMap }, config),
    );
  }

  async getConfigMap(name: string, options: AbortOptions = {}): Promise<ConfigMap | undefined> {
    const call = this.#describe('get', 'configmaps', options);
    return orNothing(
      this.#caller.call(call, (api, config) =>
        api.readNamespacedConfigMap({ namespace: this.namespace, name }, config),
      ),
    );
  }

  async *readLog(target: LogTarget, options: AbortOptions = {}): AsyncGenerator<LogLine, void, undefined> {
    const call = this.#describe('get', 'pods/log', options);
    const path = `/api/v1/namespaces/${this.namespace}/pods/${encodeURIComponent(target.podName)}/log`;
    using silence = new CallSignal(options.signal, logSilenceMs);
    try {
      const response = await this.#caller.open(call, path, logQuery(target), silence.signal);
      if (response.httpStatusCode !== 200)
        throw apiAnswerError(
          {
            status: response.httpStatusCode,
            body: await response.body.text(),
            retryAfter: response.headers['retry-after'],
          },
          call.facts,
        );
      const body: AsyncIterable<Uint8Array> | null = response.body.stream();
      if (body === null) return;
      for await (const line of logLinesOf(touched(body, silence))) {
        // The kubelet answers with its own words, and 200, where it finds the file of a log no more.
        if (!/^\d{4}-\d\d-\d\dT/.test(line.at))
          throw new Error(`no line of a log: ${line.at} ${quote(Buffer.from(line.bytes).toString())}`);
        yield line;
      }
    } catch (error) {
      throwUnlessSilent(error, call.facts, silence);
    } finally {
      silence.abort(new Error('the log is not read any more'));
    }
  }

  async nodeArchitectures(options: AbortOptions = {}): Promise<readonly string[] | undefined> {
    const call = this.#describe('list', 'nodes', options);
    try {
      const found = new Set<string>();
      // One node of each kind, however many there are: a request that excludes those that are known already.
      for (;;) {
        const known = found.size === 0 ? '' : `,${architectureLabel} notin (${[...found].join(',')})`;
        const labelSelector = `${architectureLabel}${known}`;
        const { size } = found;
        const { items } = await this.#caller.call(call, (api, config) =>
          api.listNode({ labelSelector, limit: 1 }, config),
        );
        for (const { metadata } of items) {
          const architecture = metadata?.labels?.[architectureLabel];
          if (architecture !== undefined) found.add(architecture);
        }
        if (found.size === size) return [...found].sort();
      }
    } catch (error) {
      if (error instanceof ForbiddenError) return undefined;
      throw error;
    }
  }

  async execEndpoint(target: ExecTarget, { signal, refused }: ExecEndpointOptions = {}): Promise<ExecEndpoint> {
    const access = await this.#caller.access({
      signal,
      refused: refused === undefined ? undefined : this.#accesses.get(refused),
    });
    const endpoint = execEndpointOf(access, this.namespace, target);
    this.#accesses.set(endpoint, access);
    return endpoint;
  }

  #describe(verb: string, resource: string, { signal }: AbortOptions, repeat: ApiCall['repeat'] = 'safe'): ApiCall {
    return { facts: { verb, resource, namespace: this.namespace }, signal, repeat };
  }
}

function logQuery({ containerName, follow, previous = false, since, tailLines }: LogTarget): Record<string, string> {
  return {
    container: containerName,
    timestamps: 'true',
    ...(follow ? { follow: 'true' } : {}),
    ...(previous ? { previous: 'true' } : {}),
    ...(since === undefined ? {} : { sinceTime: since.toISOString() }),
    ...(tailLines === undefined ? {} : { tailLines: String(tailLines) }),
  };
}

async function* touched(
  body: AsyncIterable<Uint8Array>,
  silence: CallSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of body) {
    silence.touch();
    yield chunk;
  }
}

/** @throws whatever ends a watch but the server's closing it, and silence */
async function* changesOf(
  body: AsyncIterable<Uint8Array> | null,
  facts: WatchFacts,
  silence: CallSignal,
): AsyncGenerator<PodChange, void, undefined> {
  if (body === null) return;
  try {
    for await (const line of linesOf(body)) {
      silence.touch();
      const change = decodeWatchLine(line, facts);
      if (change !== undefined) yield change;
    }
  } catch (error) {
    throwUnlessSilent(error, facts, silence);
  }
}

function throwUnlessSilent(error: unknown, facts: ApiCallFacts, silence: CallSignal): void {
  const reason: unknown = silence.signal.reason;
  if (reason instanceof CallTimeout) return;
  if (silence.signal.aborted) throw reason;
  throw isKubernetesWorkerError(error) || error instanceof WatchExpiredError ? error : noAnswerError(error, facts);
}

/** `undefined` only where the API server itself says that there is no such object; a 404 of anybody else's says nothing. */
async function orNothing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404 && error.reason === 'NotFound') return undefined;
    throw error;
  }
}

function checkNamespace(namespace: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) return namespace;
  throw new InvalidSpecError('namespace', `${JSON.stringify(namespace)} is not the name of one`);
}
