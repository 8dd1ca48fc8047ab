import type { PodOptions } from './pod-options.ts';
import type { ContainerLimits, ContainerRequests } from './resources.ts';

/**
 * The options of the pod of a store, with the meaning that they have in `PodOptions`. They take
 * precedence over `KubernetesWorkerOptions.pods`, as those of a container do.
 *
 * @public
 */
export type StorePodOptions = Pick<
  PodOptions,
  | 'affinity'
  | 'annotations'
  | 'imagePullSecrets'
  | 'labels'
  | 'nodeSelector'
  | 'priorityClassName'
  | 'runtimeClassName'
  | 'seLinuxOptions'
  | 'serviceAccountName'
  | 'supplementalGroups'
  | 'tolerations'
>;

/**
 * A store of archives on a PersistentVolumeClaim. One pod of the worker has the claim, the store
 * pod; the pods of steps do not. All hosts of the worker use the same store pod. It is created at
 * the first use and stays, so that it serves the other hosts after one has closed.
 *
 * @public
 */
export interface PvcStoreOptions {
  /** The name of the PersistentVolumeClaim, in the namespace of the worker. */
  readonly claim: string;
  /** The name of the store, which is stored with each archive. @defaultValue `'pvc'` */
  readonly name?: string | undefined;
  /**
   * The numeric user of the store pod, which owns the files: for an NFS export with `root_squash`
   * the user of the export.
   *
   * @defaultValue 65532
   */
  readonly user?: number | undefined;
  /** The numeric group of the store pod, and of the volume where it supports `fsGroup`. @defaultValue 65532 */
  readonly group?: number | undefined;
  /** The resource limits of the store pod. @defaultValue no limit */
  readonly limits?: ContainerLimits | undefined;
  /** The resources that a node reserves for the store pod. @defaultValue the limits */
  readonly requests?: ContainerRequests | undefined;
  /** Placement and marks of the store pod. @defaultValue those of the worker's pods */
  readonly pod?: StorePodOptions | undefined;
}
