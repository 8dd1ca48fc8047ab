import type { V1ConfigMap, V1Pod } from '@kubernetes/client-node';

import type { ExecEndpoint } from '../exec/exec-endpoint.ts';
import type { AbortOptions } from '../runtime/options.ts';

/** @public */
export type Pod = V1Pod;

/** @public */
export type ConfigMap = V1ConfigMap;

/**
 * The calls of the Kubernetes API that the library makes, all in one namespace. Failures are the library's errors: `UnauthorizedError`, `ForbiddenError`,
 * `ConflictError`, `TooManyRequestsError`, `ApiUnavailableError`, `ApiError`, `CredentialsUnavailableError`. A signal ends a call with its own reason.
 *
 * @public
 */
export interface Cluster {
  readonly namespace: string;
  /** @throws ConflictError - a pod of this name exists */
  createPod(pod: Pod, options?: AbortOptions): Promise<Pod>;
  /** `undefined`: there is none. */
  getPod(name: string, options?: AbortOptions): Promise<Pod | undefined>;
  /** All of them, however many pages that takes; never a part of the list. */
  listPods(labelSelector: string, options?: AbortOptions): Promise<PodList>;
  /**
   * Changes since a list, until the signal ends it or the server does. Ends normally when the server closes it, and throws `WatchExpiredError` when
   * it has forgotten the version: list again in both cases.
   */
  watchPods(labelSelector: string, resourceVersion: string, options?: AbortOptions): AsyncIterable<PodChange>;
  /** `false`: it was gone, or it is another pod of the same name. */
  deletePod(name: string, options?: DeletePodOptions): Promise<boolean>;
  /** @throws ConflictError - a config map of this name exists */
  createConfigMap(configMap: ConfigMap, options?: AbortOptions): Promise<void>;
  getConfigMap(name: string, options?: AbortOptions): Promise<ConfigMap | undefined>;
  /**
   * The lines of a container's log, as they come. With `follow` it goes on until the container has ended or the signal aborts, else to what there is now. A follow in
   * which nothing comes for a minute may end as well: read on from the last time.
   *
   * @throws ApiError - the container is not there, or has no log yet
   */
  readLog(target: LogTarget, options?: AbortOptions): AsyncIterable<LogLine>;
  /** The architectures of the cluster's nodes, as in their label; `undefined` where the caller may not list nodes. */
  nodeArchitectures(options?: AbortOptions): Promise<readonly string[] | undefined>;
  /**
   * Where an exec of this command can be opened, with credentials that are valid now.
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
  /** Only the pod of this uid. */
  readonly uid?: string | undefined;
  /** @defaultValue the pod's own */
  readonly gracePeriodSeconds?: number | undefined;
}

/** @public */
export interface LogTarget {
  readonly podName: string;
  readonly containerName: string;
  readonly follow: boolean;
  /** Of the run before the current one. */
  readonly previous?: boolean | undefined;
  /** Lines from this second on. */
  readonly since?: Date | undefined;
  /** Only so many of the lines that are there already. */
  readonly tailLines?: number | undefined;
}

/** @public */
export interface LogLine {
  /** When it was written, in the node's words: RFC 3339 with nanoseconds. */
  readonly at: string;
  /** With its line end, where it has one. */
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
  /** The server has refused the credentials of this endpoint: others are got, unless that has happened since. */
  readonly refused?: ExecEndpoint | undefined;
}
