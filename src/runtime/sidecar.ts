import type { ContainerLimits, ContainerRequests } from './resources.ts';
import type { SecretKey } from './secrets.ts';

/**
 * A Kubernetes container that runs beside the main one, with the same volumes, and with its own
 * image and entrypoint.
 *
 * @public
 */
export interface SidecarSpec {
  /** The name of the Kubernetes container: a DNS label other than `main`. */
  readonly name: string;
  /** The image reference, in the forms that `ContainerSpec.image` accepts. */
  readonly image: string;
  /** Replaces the image's entrypoint. @defaultValue the image's entrypoint */
  readonly command?: readonly string[] | undefined;
  /** Replaces the image's arguments. @defaultValue the image's arguments */
  readonly args?: readonly string[] | undefined;
  /**
   * Environment variables, each as `NAME=value`. They are stored in the Pod object.
   *
   * @defaultValue none
   */
  readonly env?: readonly string[] | undefined;
  /**
   * Environment variables whose values are in secrets, by the name of the variable. A name must not
   * be in `env` as well.
   *
   * @defaultValue none
   */
  readonly secretEnv?: Readonly<Record<string, SecretKey>> | undefined;
  /** The working directory. @defaultValue the image's working directory */
  readonly dir?: string | undefined;
  /** Resource limits of the sidecar. @defaultValue no limits */
  readonly limits?: ContainerLimits | undefined;
  /** Resources that the node reserves for the sidecar. @defaultValue the limits */
  readonly requests?: ContainerRequests | undefined;
  /**
   * The ports on which the sidecar listens. All Kubernetes containers of a pod share `localhost`,
   * so a port number or port name may be used only once per pod.
   *
   * @defaultValue none
   */
  readonly ports?: readonly SidecarPort[] | undefined;
  /** Whether the sidecar can only read the container's volumes. @defaultValue false */
  readonly readOnlyVolumes?: boolean | undefined;
  /**
   * How Kubernetes decides whether the sidecar is ready. The decision is visible in the pod's
   * status. `Worker.findOrCreateContainer` does not wait for it.
   *
   * @defaultValue the sidecar is ready while it runs
   */
  readonly readinessProbe?: SidecarProbe | undefined;
}

/**
 * A port of a sidecar, as in Kubernetes.
 *
 * @public
 */
export interface SidecarPort {
  /** 1 to 15 characters of `[a-z0-9-]`, at least one of them a letter. @defaultValue none */
  readonly name?: string | undefined;
  /** The number of the port: 1 to 65,535. */
  readonly containerPort: number;
  /** The protocol of the port. @defaultValue `'TCP'` */
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP' | undefined;
}

/**
 * A probe of a sidecar, as in Kubernetes. It has exactly one of `exec`, `httpGet` and `tcpSocket`.
 *
 * @public
 */
export interface SidecarProbe {
  /** Succeeds if the command exits with 0 in the sidecar. */
  readonly exec?: { readonly command: readonly string[] } | undefined;
  /** Succeeds if the response has a status from 200 to 399. */
  readonly httpGet?: SidecarHttpProbe | undefined;
  /** Succeeds if the port accepts a connection. `port` is a number, or the name of a port. */
  readonly tcpSocket?: { readonly port: number | string } | undefined;
  /** The time before the first probe, in seconds. @defaultValue 0 */
  readonly initialDelaySeconds?: number | undefined;
  /** The time between two probes, in seconds. @defaultValue 10 */
  readonly periodSeconds?: number | undefined;
  /** The maximum time of one probe, in seconds. @defaultValue 1 */
  readonly timeoutSeconds?: number | undefined;
  /** After how many failures in a row the sidecar is not ready. @defaultValue 3 */
  readonly failureThreshold?: number | undefined;
  /** After how many successes in a row the sidecar is ready again. @defaultValue 1 */
  readonly successThreshold?: number | undefined;
}

/**
 * An HTTP request that probes a sidecar, as in Kubernetes.
 *
 * @public
 */
export interface SidecarHttpProbe {
  /** A number, or the name of a port of the sidecar. */
  readonly port: number | string;
  /** The path of the request. @defaultValue `'/'` */
  readonly path?: string | undefined;
  /** The scheme of the request. Certificates are not verified. @defaultValue `'HTTP'` */
  readonly scheme?: 'HTTP' | 'HTTPS' | undefined;
}
