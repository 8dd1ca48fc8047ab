import type {
  CoreV1Event,
  V1ConfigMap,
  V1NetworkPolicy,
  V1Node,
  V1ObjectMeta,
  V1Pod,
  V1ResourceQuota,
  V1Secret,
} from '@kubernetes/client-node';

import type { ExecEndpoint } from '../exec/exec-endpoint.ts';
import type { AbortOptions } from '../runtime/options.ts';

/**
 * A pod, as the Kubernetes client types it. A pod that the library returns has no `managedFields`.
 *
 * @public
 */
export type Pod = V1Pod;

/**
 * A config map, as the Kubernetes client types it. One that the library returns has no
 * `managedFields`.
 *
 * @public
 */
export type ConfigMap = V1ConfigMap;

/**
 * An event of a pod, as the Kubernetes client types it.
 *
 * @public
 */
export type PodEvent = CoreV1Event;

/**
 * What the Kubernetes containers of a pod use, as the metrics API reports it. Amounts are quantities,
 * such as `2m` or `640Ki`.
 *
 * @public
 */
export interface PodMetrics {
  /** The Kubernetes containers that were measured, with the amounts by the names of the resources. */
  readonly containers: readonly { readonly name: string; readonly usage: Readonly<Record<string, string>> }[];
}

/**
 * A secret, as the Kubernetes client types it.
 *
 * @public
 */
export type Secret = V1Secret;

/**
 * A node, as the Kubernetes client types it. One that the library returns has no `managedFields`,
 * and the times in its status are text.
 *
 * @public
 */
export type KubernetesNode = V1Node;

/**
 * A network policy, as the Kubernetes client types it.
 *
 * @public
 */
export type NetworkPolicy = V1NetworkPolicy;

/**
 * The metadata of an object that has a name and a uid, without `managedFields`.
 *
 * @public
 */
export type ObjectMetadata = V1ObjectMeta & { readonly name: string; readonly uid: string };

/**
 * A resource quota, as the Kubernetes client types it.
 *
 * @public
 */
export type ResourceQuota = V1ResourceQuota;

/**
 * The calls of the Kubernetes API that the library uses, all in one namespace. Failures are the
 * library's errors: `UnauthorizedError`, `ForbiddenError`, `ConflictError`, `TooManyRequestsError`,
 * `ApiUnavailableError`, `ApiError`, `CredentialsUnavailableError`. An aborted signal rejects a
 * call with the signal's own reason.
 *
 * @public
 */
export interface Cluster {
  /** The namespace of all calls. */
  readonly namespace: string;
  /**
   * Creates a pod and returns it as the API server has stored it.
   *
   * @throws ConflictError - a pod of this name exists
   */
  createPod(pod: Pod, options?: CreatePodOptions): Promise<Pod>;
  /** Returns `undefined` if the pod does not exist. */
  getPod(name: string, options?: AbortOptions): Promise<Pod | undefined>;
  /** Returns all matching pods, over any number of pages; never a part of the list. */
  listPods(labelSelector: string, options?: AbortOptions): Promise<PodList>;
  /**
   * Returns the metadata of all pods of the namespace, or of those that match, over any number of
   * pages; never a part of the list. All pages are of one version, which is not older than the
   * call. So a pod that existed when the call began and is not in the list no longer exists. This
   * does not hold for a list with a label selector, because any client may remove a label.
   */
  listPodMetadata(options?: ListPodMetadataOptions): Promise<readonly ObjectMetadata[]>;
  /**
   * Resolves if the API server lists the pods of the namespace. Transfers one of them at most. The
   * registrar calls it for each heartbeat.
   */
  probePods(options?: AbortOptions): Promise<void>;
  /**
   * Yields the changes since a list, until the signal aborts or the server closes the watch. Ends
   * normally when the server closes it. Throws `WatchExpiredError` when the server has discarded
   * the version. List again in both cases.
   */
  watchPods(labelSelector: string, resourceVersion: string, options?: AbortOptions): AsyncIterable<PodChange>;
  /** Returns `false` if the pod does not exist, or if another pod has its name. */
  deletePod(name: string, options?: DeletePodOptions): Promise<boolean>;
  /**
   * Creates a config map.
   *
   * @throws ConflictError - a config map of this name exists
   */
  createConfigMap(configMap: ConfigMap, options?: AbortOptions): Promise<void>;
  /** Returns a config map. `undefined` if it does not exist. */
  getConfigMap(name: string, options?: AbortOptions): Promise<ConfigMap | undefined>;
  /** Returns whether a config map exists. Transfers its metadata alone. */
  hasConfigMap(name: string, options?: AbortOptions): Promise<boolean>;
  /**
   * Returns the metadata of all matching config maps; `undefined` if the caller may not list them.
   */
  listConfigMaps(labelSelector: string, options?: AbortOptions): Promise<ConfigMapList | undefined>;
  /** Returns `false` if the config map does not exist, or if another one has its name. */
  deleteConfigMap(name: string, options: DeleteConfigMapOptions): Promise<boolean>;
  /**
   * Returns the events of one pod that the cluster still keeps, in no particular order; `undefined`
   * if the caller may not list events.
   */
  podEvents(podName: string, podUid: string, options?: AbortOptions): Promise<readonly PodEvent[] | undefined>;
  /**
   * Returns what the Kubernetes containers of a pod use; `undefined` if the cluster has no metrics
   * API, does not answer it, or has not measured the pod yet, and if the caller may not read it.
   */
  podMetrics(podName: string, options?: AbortOptions): Promise<PodMetrics | undefined>;
  /**
   * Returns a secret; `undefined` if it does not exist. Only the check of images in their registries
   * needs this call and its permission.
   */
  getSecret(name: string, options?: AbortOptions): Promise<Secret | undefined>;
  /**
   * Creates a network policy. Only hermetic containers need this call and its permission.
   *
   * @throws ConflictError - a network policy of this name exists
   */
  createNetworkPolicy(policy: NetworkPolicy, options?: AbortOptions): Promise<void>;
  /**
   * Returns all network policies of the namespace; never a part of the list. Only hermetic
   * containers need this call and its permission.
   */
  listNetworkPolicies(options?: AbortOptions): Promise<readonly NetworkPolicy[]>;
  /**
   * Yields the lines of a container's log as they arrive. With `follow` it continues until the
   * container ends or the signal aborts, otherwise up to the current end of the log. A follow
   * without output for a minute may end as well: continue from the time of the last line.
   *
   * @throws ApiError - the container does not exist, or has no log yet
   */
  readLog(target: LogTarget, options?: AbortOptions): AsyncIterable<LogLine>;
  /**
   * Returns the architectures of the cluster's nodes, as in their label; `undefined` if the caller
   * may not list nodes.
   */
  nodeArchitectures(options?: AbortOptions): Promise<readonly string[] | undefined>;
  /**
   * Returns a node; `undefined` if it does not exist. Only the diagnostics of pods need this call
   * and its permission.
   *
   * @throws ForbiddenError - the caller may not read nodes
   */
  getNode(name: string, options?: AbortOptions): Promise<KubernetesNode | undefined>;
  /**
   * Returns all nodes, over any number of pages; never a part of the list. Only the facts of the
   * worker need this call and its permission.
   *
   * @throws ForbiddenError - the caller may not list nodes
   */
  listNodes(options?: AbortOptions): Promise<readonly KubernetesNode[]>;
  /**
   * Returns all resource quotas of the namespace. Only the facts of the worker need this call and
   * its permission.
   *
   * @throws ForbiddenError - the caller may not list resource quotas
   */
  listResourceQuotas(options?: AbortOptions): Promise<readonly ResourceQuota[]>;
  /** Returns the version of the API server, like `v1.34.4`. */
  serverVersion(options?: AbortOptions): Promise<string>;
  /** Returns whether the credentials have a permission, as the API server's authorizer decides. */
  may(permission: Permission, options?: AbortOptions): Promise<boolean>;
  /**
   * Returns the user of a token; `undefined` if the cluster does not accept it for one of the
   * audiences, or without audiences for itself. Only a host that serves users of the cluster needs
   * this call and its permission.
   */
  reviewToken(token: string, audiences: readonly string[], options?: AbortOptions): Promise<ClusterUser | undefined>;
  /**
   * Returns whether a user has a permission. Only a host that serves users of the cluster needs this
   * call and its permission.
   */
  mayUser(user: ClusterUser, permission: Permission, options?: AbortOptions): Promise<boolean>;
  /**
   * Returns an endpoint for an exec of this command, with credentials that are valid now.
   *
   * @throws CredentialsUnavailableError
   */
  execEndpoint(target: ExecTarget, options?: ExecEndpointOptions): Promise<ExecEndpoint>;
}

/**
 * The pods of a list call.
 *
 * @public
 */
export interface PodList {
  /** All pods that the label selector matches. */
  readonly pods: readonly Pod[];
  /** The version from which a watch continues. */
  readonly resourceVersion: string;
}

/**
 * Options of `Cluster.listPodMetadata`.
 *
 * @public
 */
export interface ListPodMetadataOptions extends AbortOptions {
  /** @defaultValue all pods of the namespace */
  readonly labelSelector?: string | undefined;
}

/**
 * The config maps of a list call.
 *
 * @public
 */
export interface ConfigMapList {
  /** The metadata of all config maps that the label selector matches. */
  readonly configMaps: readonly ObjectMetadata[];
  /** The time of the response by the API server's clock. `undefined` if the response has none. */
  readonly at: Date | undefined;
}

/**
 * Options of `Cluster.deleteConfigMap`.
 *
 * @public
 */
export interface DeleteConfigMapOptions extends AbortOptions {
  /** Deletes only the config map with this uid. */
  readonly uid: string;
}

/**
 * A change that a watch reports.
 *
 * @public
 */
export interface PodChange {
  /** What happened to the pod. */
  readonly type: 'added' | 'modified' | 'deleted';
  /** The pod after the change; for `deleted`, its last state. */
  readonly pod: Pod;
}

/**
 * Options of `Cluster.createPod`.
 *
 * @public
 */
export interface CreatePodOptions extends AbortOptions {
  /** Runs the whole admission of the pod, but stores nothing. @defaultValue false */
  readonly dryRun?: boolean | undefined;
}

/**
 * A permission in terms of RBAC.
 *
 * @public
 */
export interface Permission {
  /** The verb, like `create`. */
  readonly verb: string;
  /** The API group of the resource. The core group is the empty string. */
  readonly apiGroup: string;
  /** The resource, with its subresource: like `pods/exec`. */
  readonly resource: string;
  /** The name of the only object that the permission covers. @defaultValue all objects */
  readonly name?: string | undefined;
  /** Whether the permission covers the whole cluster, instead of the namespace of the calls. */
  readonly isClusterWide: boolean;
}

/**
 * A user, as the cluster's authenticator describes it.
 *
 * @public
 */
export interface ClusterUser {
  /** The name of the user. */
  readonly username: string;
  /** The unique ID of the user. Absent if the authenticator has none. */
  readonly uid?: string | undefined;
  /** The groups of the user. */
  readonly groups: readonly string[];
  /** Further facts for the authorizer. */
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/**
 * Options of `Cluster.deletePod`.
 *
 * @public
 */
export interface DeletePodOptions extends AbortOptions {
  /** Deletes only the pod with this uid. */
  readonly uid?: string | undefined;
  /** The grace period in seconds. @defaultValue the pod's own */
  readonly gracePeriodSeconds?: number | undefined;
}

/**
 * Selects the log of a Kubernetes container.
 *
 * @public
 */
export interface LogTarget {
  /** The name of the pod. */
  readonly podName: string;
  /** The name of the Kubernetes container. */
  readonly containerName: string;
  /** Whether to continue with lines that are written later. */
  readonly follow: boolean;
  /** Selects the log of the run before the current one. */
  readonly previous?: boolean | undefined;
  /** Selects lines from this second on. */
  readonly since?: Date | undefined;
  /** Limits the number of existing lines. */
  readonly tailLines?: number | undefined;
}

/**
 * A line of a log.
 *
 * @public
 */
export interface LogLine {
  /** The time of writing, as the node formats it: RFC 3339 with nanoseconds. */
  readonly at: string;
  /** Includes the line end, if the line has one. */
  readonly bytes: Uint8Array;
}

/**
 * Defines a command to execute in a Kubernetes container.
 *
 * @public
 */
export interface ExecTarget {
  /** The name of the pod. */
  readonly podName: string;
  /** The name of the Kubernetes container. */
  readonly containerName: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
}

/**
 * Options of `Cluster.execEndpoint`.
 *
 * @public
 */
export interface ExecEndpointOptions extends AbortOptions {
  /**
   * An endpoint with credentials that the server has rejected. They are replaced, unless that has
   * happened since.
   */
  readonly refused?: ExecEndpoint | undefined;
}
