import type { V1ConfigMap, V1Pod } from '@kubernetes/client-node';

import type { ExecEndpoint } from '../exec/exec-endpoint.ts';
import type { AbortOptions } from '../runtime/options.ts';

/** @public */
export type Pod = V1Pod;

/** @public */
export type ConfigMap = V1ConfigMap;

/**
 * The calls of the Kubernetes API that the library uses, all in one namespace. Failures are the
 * library's errors: `UnauthorizedError`, `ForbiddenError`, `ConflictError`, `TooManyRequestsError`,
 * `ApiUnavailableError`, `ApiError`, `CredentialsUnavailableError`. An aborted signal rejects a
 * call with the signal's own reason.
 *
 * @public
 */
export interface Cluster {
  readonly namespace: string;
  /** @throws ConflictError - a pod of this name exists */
  createPod(pod: Pod, options?: AbortOptions): Promise<Pod>;
  /** Returns `undefined` if the pod does not exist. */
  getPod(name: string, options?: AbortOptions): Promise<Pod | undefined>;
  /** Returns all matching pods, over any number of pages; never a part of the list. */
  listPods(labelSelector: string, options?: AbortOptions): Promise<PodList>;
  /**
   * Yields the changes since a list, until the signal aborts or the server closes the watch. Ends
   * normally when the server closes it. Throws `WatchExpiredError` when the server has discarded
   * the version. List again in both cases.
   */
  watchPods(labelSelector: string, resourceVersion: string, options?: AbortOptions): AsyncIterable<PodChange>;
  /** Returns `false` if the pod does not exist, or if another pod has its name. */
  deletePod(name: string, options?: DeletePodOptions): Promise<boolean>;
  /** @throws ConflictError - a config map of this name exists */
  createConfigMap(configMap: ConfigMap, options?: AbortOptions): Promise<void>;
  getConfigMap(name: string, options?: AbortOptions): Promise<ConfigMap | undefined>;
  /**
   * Yields the lines of a container's log as they arrive. With `follow` it continues until the
   * container ends or the signal aborts, otherwise up to the present end of the log. A follow
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
   * Returns an endpoint for an exec of this command, with credentials that are valid now.
   *
   * @throws CredentialsUnavailableError
   */
  execEndpoint(target: ExecTarget, options?: ExecEndpointOptions): Promise<ExecEndpoint>;
}

/** @public */
export interface PodList {
  readonly pods: readonly Pod[];
  readonly resourceVersion: string;
}

/** @public */
export interface PodChange {
  readonly type: 'added' | 'modified' | 'deleted';
  readonly pod: Pod;
}

/** @public */
export interface DeletePodOptions extends AbortOptions {
  /** Deletes only the pod with this uid. */
  readonly uid?: string | undefined;
  /** @defaultValue the pod's own */
  readonly gracePeriodSeconds?: number | undefined;
}

/** @public */
export interface LogTarget {
  readonly podName: string;
  readonly containerName: string;
  readonly follow: boolean;
  /** Selects the log of the run before the current one. */
  readonly previous?: boolean | undefined;
  /** Selects lines from this second on. */
  readonly since?: Date | undefined;
  /** Limits the number of existing lines. */
  readonly tailLines?: number | undefined;
}

/** @public */
export interface LogLine {
  /** The time of writing, as the node formats it: RFC 3339 with nanoseconds. */
  readonly at: string;
  /** Includes the line end, if the line has one. */
  readonly bytes: Uint8Array;
}

/** @public */
export interface ExecTarget {
  readonly podName: string;
  readonly containerName: string;
  readonly command: readonly string[];
}

/** @public */
export interface ExecEndpointOptions extends AbortOptions {
  /**
   * An endpoint with credentials that the server has rejected. They are replaced, unless that has
   * happened since.
   */
  readonly refused?: ExecEndpoint | undefined;
}
