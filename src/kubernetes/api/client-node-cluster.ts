import type { KubeConfig } from '@kubernetes/client-node';

import { InvalidSpecError } from '../../errors/caller.ts';
import type { ApiCallFacts } from '../../errors/cluster.ts';
import { ApiError, ApiUnavailableError, ConflictError, ForbiddenError } from '../../errors/cluster.ts';
import { isKubernetesWorkerError } from '../../errors/error-code.ts';
import type { ExecEndpoint } from '../../exec/exec-endpoint.ts';
import { quote } from '../../internal/quote.ts';
import { systemClock } from '../../internal/system-clock.ts';
import type { AbortOptions, Clock } from '../../runtime/options.ts';
import type { ApiObserver } from '../../telemetry/cluster-metrics.ts';
import type { ClusterAccess } from '../access/cluster-access.ts';
import { serviceAccountFolder } from '../access/default-kube-config.ts';
import { kubeConfigSource } from '../access/kube-config-source.ts';
import { CallSignal, CallTimeout } from '../call-signal.ts';
import type {
  Cluster,
  ClusterUser,
  ConfigMap,
  ConfigMapList,
  CreatePodOptions,
  DeleteConfigMapOptions,
  DeletePodOptions,
  ExecEndpointOptions,
  ExecTarget,
  KubernetesNode,
  ListPodMetadataOptions,
  LogLine,
  LogTarget,
  NetworkPolicy,
  ObjectMetadata,
  Permission,
  Pod,
  PodChange,
  PodEvent,
  PodList,
  PodMetrics,
  ResourceQuota,
  Secret,
} from '../cluster.ts';
import { WatchExpiredError } from '../watch-expired-error.ts';
import type { ApiRequest } from './api-caller.ts';
import { ApiCaller } from './api-caller.ts';
import { noAnswerError } from './api-error.ts';
import type { Query } from './api-url.ts';
import { execEndpointOf } from './exec-target.ts';
import { linesOf } from './lines.ts';
import { logLinesOf } from './log-lines.ts';
import {
  accessReviewFromJson,
  configMapFromJson,
  eventFromJson,
  metadataPageFromJson,
  networkPolicyFromJson,
  nodeFromJson,
  objectFromJson,
  pageFromJson,
  podFromJson,
  podMetricsFromJson,
  resourceQuotaFromJson,
  secretFromJson,
  tokenReviewFromJson,
  versionFromJson,
} from './object-json.ts';
import { paged } from './paged.ts';
import type { WatchFacts } from './watch-event.ts';
import { decodeWatchLine, watchError } from './watch-event.ts';

/** Options of `ClientNodeCluster.fromConfig`. */
export interface ClientNodeClusterOptions {
  /**
   * A configuration of client-node, the path of one, or the default loading rules (`KUBECONFIG`,
   * `~/.kube/config`, the pod's service account).
   */
  readonly kubeConfig?: KubeConfig | string | undefined;
  /** @defaultValue the context's, else `default` */
  readonly namespace?: string | undefined;
  /**
   * Limit for a response, in milliseconds. The credentials before it have the same limit. A watch
   * has no limit.
   *
   * @defaultValue 30_000
   */
  readonly callTimeoutMs?: number | undefined;
  /** @defaultValue the system's */
  readonly clock?: Clock | undefined;
  /**
   * Selects kubeconfig files and proxies, and is passed to credential plug-ins.
   *
   * @defaultValue this process's
   */
  readonly environment?: NodeJS.ProcessEnv | undefined;
  /** The folder of this pod's service account. @defaultValue where Kubernetes mounts it */
  readonly serviceAccount?: string | undefined;
  /** Receives a report of each request. @defaultValue none */
  readonly observe?: ApiObserver | undefined;
}

const architectureLabel = 'kubernetes.io/arch';
/** The server ends a watch after this time. It sends a bookmark about every minute. */
const watchSeconds = 290;
const watchSilenceMs = 150_000;
/**
 * A log may stay silent forever, and so may a dead connection. After this time the stream ends, and
 * the caller reopens it.
 */
const logSilenceMs = 60_000;

/** A server that cannot omit the content sends the whole object. */
const metadataOnly = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, application/json';

const metadataListOnly = metadataOnly.replace('PartialObjectMetadata', 'PartialObjectMetadataList');

const methods = { create: 'POST', delete: 'DELETE', get: 'GET', list: 'GET', watch: 'GET' } as const;

/**
 * The cluster of a kubeconfig. Requests go over undici; client-node acquires the credentials of auth
 * providers and connects through proxies. Holds no connection that must be closed.
 */
export class ClientNodeCluster implements Cluster {
  readonly namespace: string;
  readonly #caller: ApiCaller;
  /** The access of each endpoint. */
  readonly #accesses = new WeakMap<ExecEndpoint, ClusterAccess>();

  /**
   * @throws InvalidSpecError - `kubeConfig`: cannot be read, or its context is incomplete;
   * `namespace`: not a valid name
   */
  static async fromConfig(options: ClientNodeClusterOptions = {}): Promise<ClientNodeCluster> {
    const {
      clock = systemClock(),
      callTimeoutMs = 30_000,
      environment = process.env,
      serviceAccount = serviceAccountFolder,
    } = options;
    const source = kubeConfigSource(options.kubeConfig, { environment, serviceAccount });
    const config = await source.load();
    const caller = new ApiCaller({ source, config, clock, callTimeoutMs, environment, observe: options.observe });
    const namespace = options.namespace ?? config.currentContext?.namespace ?? 'default';
    return new ClientNodeCluster(caller, checkNamespace(namespace));
  }

  private constructor(caller: ApiCaller, namespace: string) {
    this.#caller = caller;
    this.namespace = namespace;
  }

  async createPod(pod: Pod, { signal, dryRun = false }: CreatePodOptions = {}): Promise<Pod> {
    const path = this.#path('pods');
    const query = dryRun ? { dryRun: 'All' } : {};
    const retry = dryRun ? 'safe' : 'unsent';
    const request = this.#request('create', 'pods', { path, query, body: pod, signal, retry });
    return this.#caller.call(request, podFromJson);
  }

  async getPod(name: string, { signal }: AbortOptions = {}): Promise<Pod | undefined> {
    const request = this.#request('get', 'pods', { path: this.#path('pods', name), signal });
    return orNothing(this.#caller.call(request, podFromJson));
  }

  async listPods(labelSelector: string, { signal }: AbortOptions = {}): Promise<PodList> {
    const path = this.#path('pods');
    const { items, resourceVersion } = await paged((page) => {
      const request = this.#request('list', 'pods', { path, query: { labelSelector, ...page }, signal });
      return this.#caller.call(request, pageFromJson(podFromJson));
    });
    return { pods: items, resourceVersion };
  }

  async listPodMetadata({ labelSelector, signal }: ListPodMetadataOptions = {}): Promise<readonly ObjectMetadata[]> {
    const path = this.#path('pods');
    const { items } = await paged((page) => {
      // Without a resource version, the list is not older than the request.
      const query = { labelSelector, ...page };
      const request = this.#request('list', 'pods', { path, query, accept: metadataListOnly, signal });
      return this.#caller.call(request, metadataPageFromJson);
    });
    return items;
  }

  async probePods({ signal }: AbortOptions = {}): Promise<void> {
    const request = this.#request('list', 'pods', { path: this.#path('pods'), query: { limit: 1 }, signal });
    await this.#caller.call(request, pageFromJson(podFromJson));
  }

  async *watchPods(
    labelSelector: string,
    resourceVersion: string,
    { signal }: AbortOptions = {},
  ): AsyncGenerator<PodChange, void, undefined> {
    const query = {
      watch: true,
      labelSelector,
      resourceVersion,
      allowWatchBookmarks: true,
      timeoutSeconds: watchSeconds,
    };
    const request = this.#request('watch', 'pods', { path: this.#path('pods'), query, signal, retry: 'unanswered' });
    const facts: WatchFacts = { ...request.facts, resourceVersion };
    using silence = new CallSignal(signal, watchSilenceMs);
    try {
      const body = await this.#caller.open(request, silence.signal).catch((error: unknown) => {
        throw watchError(error, facts);
      });
      yield* changesOf(body, facts, silence);
    } finally {
      // Releases the connection when the consumer stops reading.
      silence.abort(new Error('the watch is closed'));
    }
  }

  async deletePod(name: string, options: DeletePodOptions = {}): Promise<boolean> {
    const { uid, gracePeriodSeconds, signal } = options;
    const body = {
      ...(uid === undefined ? {} : { preconditions: { uid } }),
      ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    };
    // Without a uid a second attempt could delete another pod of the same name.
    if (uid !== undefined) return await this.#deleteByUid('pods', name, { body, signal });
    const request = this.#request('delete', 'pods', { path: this.#path('pods', name), body, signal, retry: 'unsent' });
    return (await orNothing(this.#caller.call(request, objectFromJson))) !== undefined;
  }

  async createConfigMap(configMap: ConfigMap, { signal }: AbortOptions = {}): Promise<void> {
    const path = this.#path('configmaps');
    const request = this.#request('create', 'configmaps', { path, body: configMap, signal, retry: 'unsent' });
    await this.#caller.call(request, objectFromJson);
  }

  async getConfigMap(name: string, { signal }: AbortOptions = {}): Promise<ConfigMap | undefined> {
    const request = this.#request('get', 'configmaps', { path: this.#path('configmaps', name), signal });
    return orNothing(this.#caller.call(request, configMapFromJson));
  }

  async hasConfigMap(name: string, { signal }: AbortOptions = {}): Promise<boolean> {
    const path = this.#path('configmaps', name);
    const request = this.#request('get', 'configmaps', { path, accept: metadataOnly, signal });
    return (await orNothing(this.#caller.call(request, objectFromJson))) !== undefined;
  }

  async listConfigMaps(labelSelector: string, { signal }: AbortOptions = {}): Promise<ConfigMapList | undefined> {
    const path = this.#path('configmaps');
    let at: Date | undefined;
    const list = paged(async (page) => {
      const query = { labelSelector, ...page };
      const request = this.#request('list', 'configmaps', { path, query, accept: metadataListOnly, signal });
      const answer = await this.#caller.call(request, metadataPageFromJson);
      at = answer.at;
      return answer;
    });
    return await unlessForbidden(list.then(({ items }) => ({ configMaps: items, at })));
  }

  async deleteConfigMap(name: string, { uid, signal }: DeleteConfigMapOptions): Promise<boolean> {
    return await this.#deleteByUid('configmaps', name, { body: { preconditions: { uid } }, signal });
  }

  async podEvents(
    podName: string,
    podUid: string,
    { signal }: AbortOptions = {},
  ): Promise<readonly PodEvent[] | undefined> {
    const involved = { kind: 'Pod', name: podName, uid: podUid };
    const fieldSelector = Object.entries(involved)
      .map(([field, value]) => `involvedObject.${field}=${value}`)
      .join();
    const path = this.#path('events');
    const list = paged((page) => {
      const request = this.#request('list', 'events', { path, query: { fieldSelector, ...page }, signal });
      return this.#caller.call(request, pageFromJson(eventFromJson));
    });
    return await unlessForbidden(list.then(({ items }) => items));
  }

  async podMetrics(podName: string, { signal }: AbortOptions = {}): Promise<PodMetrics | undefined> {
    const path = ['apis', 'metrics.k8s.io', 'v1beta1', 'namespaces', this.namespace, 'pods', podName];
    const request = this.#request('get', 'pods.metrics.k8s.io', { path, signal, retry: 'unanswered' });
    try {
      return await this.#caller.call(request, podMetricsFromJson);
    } catch (error) {
      // A server without this API answers 404 without a status object, and 503 if its backend is away.
      const isAbsent = error instanceof ApiError && error.status === 404;
      if (isAbsent || error instanceof ForbiddenError || error instanceof ApiUnavailableError) return undefined;
      throw error;
    }
  }

  async getSecret(name: string, { signal }: AbortOptions = {}): Promise<Secret | undefined> {
    const request = this.#request('get', 'secrets', { path: this.#path('secrets', name), signal });
    return orNothing(this.#caller.call(request, secretFromJson));
  }

  async createNetworkPolicy(policy: NetworkPolicy, { signal }: AbortOptions = {}): Promise<void> {
    const path = this.#networkPath();
    const request = this.#request('create', 'networkpolicies', { path, body: policy, signal, retry: 'unsent' });
    await this.#caller.call(request, objectFromJson);
  }

  async listNetworkPolicies({ signal }: AbortOptions = {}): Promise<readonly NetworkPolicy[]> {
    const path = this.#networkPath();
    const { items } = await paged((query) => {
      const request = this.#request('list', 'networkpolicies', { path, query: { ...query }, signal });
      return this.#caller.call(request, pageFromJson(networkPolicyFromJson));
    });
    return items;
  }

  async *readLog(target: LogTarget, { signal }: AbortOptions = {}): AsyncGenerator<LogLine, void, undefined> {
    const path = this.#path('pods', target.podName, 'log');
    const request = this.#request('get', 'pods/log', { path, query: logQuery(target), signal, retry: 'unanswered' });
    using silence = new CallSignal(signal, logSilenceMs);
    try {
      const body = await this.#caller.open(request, silence.signal);
      for await (const line of logLinesOf(touching(body, silence))) {
        // If the kubelet no longer finds the file of the log, it responds with 200 and its own
        // error message.
        if (!/^\d{4}-\d\d-\d\dT/.test(line.at))
          throw new Error(`not a line of a log: ${line.at} ${quote(Buffer.from(line.bytes).toString())}`);
        yield line;
      }
    } catch (error) {
      throwUnlessSilent(error, request.facts, silence);
    } finally {
      silence.abort(new Error('the log is closed'));
    }
  }

  async nodeArchitectures({ signal }: AbortOptions = {}): Promise<readonly string[] | undefined> {
    return await unlessForbidden(this.#nodeArchitectures(signal));
  }

  /** Reads one node of each architecture, whatever their number: each request excludes those found. */
  async #nodeArchitectures(signal: AbortSignal | undefined): Promise<readonly string[]> {
    const found = new Set<string>();
    for (;;) {
      const known = found.size === 0 ? '' : `,${architectureLabel} notin (${[...found].join(',')})`;
      const query = { labelSelector: `${architectureLabel}${known}`, limit: 1 };
      const request = this.#request('list', 'nodes', { path: ['api', 'v1', 'nodes'], query, signal });
      const { size } = found;
      const { items } = await this.#caller.call(request, pageFromJson(nodeFromJson));
      for (const { metadata } of items) {
        const architecture = metadata?.labels?.[architectureLabel];
        if (architecture !== undefined) found.add(architecture);
      }
      if (found.size === size) return [...found].sort();
    }
  }

  async getNode(name: string, { signal }: AbortOptions = {}): Promise<KubernetesNode | undefined> {
    const request = this.#request('get', 'nodes', { path: ['api', 'v1', 'nodes', name], signal });
    return orNothing(this.#caller.call(request, nodeFromJson));
  }

  async listNodes({ signal }: AbortOptions = {}): Promise<readonly KubernetesNode[]> {
    const { items } = await paged((query) => {
      const request = this.#request('list', 'nodes', { path: ['api', 'v1', 'nodes'], query: { ...query }, signal });
      return this.#caller.call(request, pageFromJson(nodeFromJson));
    });
    return items;
  }

  async listResourceQuotas({ signal }: AbortOptions = {}): Promise<readonly ResourceQuota[]> {
    const path = this.#path('resourcequotas');
    const { items } = await paged((query) => {
      const request = this.#request('list', 'resourcequotas', { path, query: { ...query }, signal });
      return this.#caller.call(request, pageFromJson(resourceQuotaFromJson));
    });
    return items;
  }

  async serverVersion({ signal }: AbortOptions = {}): Promise<string> {
    const request = this.#request('get', 'version', { path: ['version'], signal });
    return await this.#caller.call(request, versionFromJson);
  }

  async may(permission: Permission, { signal }: AbortOptions = {}): Promise<boolean> {
    const resourceAttributes = this.#attributesOf(permission);
    const request = this.#request('create', 'selfsubjectaccessreviews', {
      path: ['apis', 'authorization.k8s.io', 'v1', 'selfsubjectaccessreviews'],
      body: { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } },
      signal,
    });
    return await this.#caller.call(request, accessReviewFromJson);
  }

  async reviewToken(
    token: string,
    audiences: readonly string[],
    { signal }: AbortOptions = {},
  ): Promise<ClusterUser | undefined> {
    const spec = { token, ...(audiences.length === 0 ? {} : { audiences }) };
    const request = this.#request('create', 'tokenreviews', {
      path: ['apis', 'authentication.k8s.io', 'v1', 'tokenreviews'],
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec },
      signal,
    });
    const { user } = await this.#caller.call(request, (reviewed) => tokenReviewFromJson(reviewed, audiences));
    return user;
  }

  async mayUser(
    { username: user, uid, groups, extra }: ClusterUser,
    permission: Permission,
    { signal }: AbortOptions = {},
  ): Promise<boolean> {
    const spec = { user, uid, groups, extra, resourceAttributes: this.#attributesOf(permission) };
    const request = this.#request('create', 'subjectaccessreviews', {
      path: ['apis', 'authorization.k8s.io', 'v1', 'subjectaccessreviews'],
      body: { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec },
      signal,
    });
    return await this.#caller.call(request, accessReviewFromJson);
  }

  #attributesOf({ verb, apiGroup: group, name, isClusterWide, resource: path }: Permission): object {
    const [resource, subresource] = path.split('/');
    const namespace = isClusterWide ? undefined : this.namespace;
    return { namespace, verb, group, resource, subresource, name };
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

  /** Returns `false` if the object does not exist, or if another one has its name. */
  async #deleteByUid(
    resource: 'pods' | 'configmaps',
    name: string,
    rest: Pick<ApiRequest, 'body' | 'signal'>,
  ): Promise<boolean> {
    const request = this.#request('delete', resource, { path: this.#path(resource, name), ...rest });
    try {
      return (await orNothing(this.#caller.call(request, objectFromJson))) !== undefined;
    } catch (error) {
      if (error instanceof ConflictError) return false;
      throw error;
    }
  }

  #networkPath(): readonly string[] {
    return ['apis', 'networking.k8s.io', 'v1', 'namespaces', this.namespace, 'networkpolicies'];
  }

  #path(...segments: readonly string[]): readonly string[] {
    return ['api', 'v1', 'namespaces', this.namespace, ...segments];
  }

  /** `retry` defaults to `safe`. */
  #request(
    verb: keyof typeof methods,
    resource: string,
    rest: Pick<ApiRequest, 'path' | 'query' | 'body' | 'signal'> & Partial<Pick<ApiRequest, 'accept' | 'retry'>>,
  ): ApiRequest {
    return {
      method: methods[verb],
      facts: { verb, resource, namespace: this.namespace },
      retry: 'safe',
      ...rest,
    };
  }
}

function logQuery({ containerName, follow, previous = false, since, tailLines }: LogTarget): Query {
  return {
    container: containerName,
    timestamps: true,
    ...(follow ? { follow } : {}),
    ...(previous ? { previous } : {}),
    sinceTime: since?.toISOString(),
    tailLines,
  };
}

/** Restarts the time-out with each chunk. */
async function* touching(
  body: AsyncIterable<Uint8Array>,
  silence: CallSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of body) {
    silence.touch();
    yield chunk;
  }
}

/**
 * Ends normally when the server closes the watch and when the watch is silent for too long. Throws
 * every other end.
 */
async function* changesOf(
  body: AsyncIterable<Uint8Array>,
  facts: WatchFacts,
  silence: CallSignal,
): AsyncGenerator<PodChange, void, undefined> {
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

/**
 * Returns `undefined` only if the API server itself reports that the object does not exist, not for
 * a proxy's 404.
 */
async function orNothing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404 && error.reason === 'NotFound') return undefined;
    throw error;
  }
}

/** Returns `undefined` if the caller lacks the permission. */
async function unlessForbidden<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ForbiddenError) return undefined;
    throw error;
  }
}

function checkNamespace(namespace: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) return namespace;
  throw new InvalidSpecError('namespace', `${JSON.stringify(namespace)} is not a valid name`);
}
