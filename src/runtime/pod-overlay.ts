/**
 * Additions to a pod, in the form of a Pod object. The library merges them into the pods that it
 * creates: maps by key, lists by the name, the mount path or the IP of their entries. A field that
 * is not described here is refused, and the overlay can neither change nor hide anything that the
 * library has set.
 *
 * @public
 */
export interface PodOverlay {
  /** Labels and annotations. They follow the rules of `PodOptions.labels`. @defaultValue none */
  readonly metadata?:
    | {
        readonly labels?: Readonly<Record<string, string>> | undefined;
        readonly annotations?: Readonly<Record<string, string>> | undefined;
      }
    | undefined;
  /** Additions to the specification of the pod. @defaultValue none */
  readonly spec?: PodOverlaySpec | undefined;
}

/**
 * Additions to the specification of a pod, in the form of a Pod object.
 *
 * @public
 */
export interface PodOverlaySpec {
  /** Additions to the main Kubernetes container: at most one entry. @defaultValue none */
  readonly containers?: readonly PodOverlayContainer[] | undefined;
  /** Further volumes. Their names must not start with `kw-`. @defaultValue none */
  readonly volumes?: readonly PodOverlayVolume[] | undefined;
  /** Entries of the pod's hosts file, merged by `ip`. @defaultValue none */
  readonly hostAliases?: readonly PodHostAlias[] | undefined;
  /** The DNS policy of the pod. @defaultValue `'ClusterFirst'` */
  readonly dnsPolicy?: 'ClusterFirst' | 'ClusterFirstWithHostNet' | 'Default' | 'None' | undefined;
  /** DNS parameters of the pod, replaced as a whole. @defaultValue those of `dnsPolicy` */
  readonly dnsConfig?: PodDnsConfig | undefined;
  /** The scheduler of the pod. @defaultValue the cluster's default */
  readonly schedulerName?: string | undefined;
}

/**
 * Additions to the main Kubernetes container.
 *
 * @public
 */
export interface PodOverlayContainer {
  /** The name of the Kubernetes container. */
  readonly name: 'main';
  /** Mounts of volumes of the overlay, merged by `mountPath`. @defaultValue none */
  readonly volumeMounts?: readonly PodOverlayMount[] | undefined;
  /** Requests that replace those of `ContainerSpec.requests` by name. @defaultValue none */
  readonly resources?:
    | {
        readonly requests?: PodOverlayRequests | undefined;
      }
    | undefined;
}

/**
 * Requests of the main Kubernetes container as Kubernetes quantities, such as `500m` or `2Gi`.
 *
 * @public
 */
export interface PodOverlayRequests {
  /** The reserved CPU. @defaultValue unchanged */
  readonly cpu?: string | undefined;
  /** The reserved memory. @defaultValue unchanged */
  readonly memory?: string | undefined;
  /** The reserved disk space. @defaultValue unchanged */
  readonly 'ephemeral-storage'?: string | undefined;
}

/**
 * A mount of a volume of the overlay.
 *
 * @public
 */
export interface PodOverlayMount {
  /** The name of a volume of the overlay. */
  readonly name: string;
  /** An absolute path. No other mount may be at this path or below it. */
  readonly mountPath: string;
  /** The path in the volume: relative, without `..`. @defaultValue the whole volume */
  readonly subPath?: string | undefined;
  /** Whether the mount is read-only. @defaultValue false */
  readonly readOnly?: boolean | undefined;
}

/**
 * A volume of the overlay. It has exactly one source.
 *
 * @public
 */
export interface PodOverlayVolume {
  /** A DNS label that does not start with `kw-`. */
  readonly name: string;
  /** The content of a secret. */
  readonly secret?:
    | {
        readonly secretName: string;
        readonly defaultMode?: number | undefined;
        readonly optional?: boolean | undefined;
        readonly items?: readonly PodOverlayKey[] | undefined;
      }
    | undefined;
  /** The content of a config map. */
  readonly configMap?:
    | {
        readonly name: string;
        readonly defaultMode?: number | undefined;
        readonly optional?: boolean | undefined;
        readonly items?: readonly PodOverlayKey[] | undefined;
      }
    | undefined;
  /** An empty folder on the node's disk, or in memory. */
  readonly emptyDir?:
    | {
        readonly medium?: '' | 'Memory' | undefined;
        readonly sizeLimit?: string | undefined;
      }
    | undefined;
  /** A claim in the worker's namespace. */
  readonly persistentVolumeClaim?:
    | {
        readonly claimName: string;
        readonly readOnly?: boolean | undefined;
      }
    | undefined;
  /** The content of an image. */
  readonly image?:
    | {
        readonly reference: string;
        readonly pullPolicy?: 'Always' | 'IfNotPresent' | 'Never' | undefined;
      }
    | undefined;
}

/**
 * A key of a secret or a config map, and the file that gets its value.
 *
 * @public
 */
export interface PodOverlayKey {
  /** The key. */
  readonly key: string;
  /** The path of the file in the volume. */
  readonly path: string;
  /** The permission bits of the file. @defaultValue the volume's `defaultMode` */
  readonly mode?: number | undefined;
}

/**
 * An entry of a pod's hosts file.
 *
 * @public
 */
export interface PodHostAlias {
  /** The IP address. */
  readonly ip: string;
  /** The host names of the address. */
  readonly hostnames: readonly string[];
}

/**
 * DNS parameters of a pod, as in Kubernetes.
 *
 * @public
 */
export interface PodDnsConfig {
  /** IP addresses of name servers. @defaultValue none */
  readonly nameservers?: readonly string[] | undefined;
  /** Search domains. @defaultValue none */
  readonly searches?: readonly string[] | undefined;
  /** Options of the resolver. @defaultValue none */
  readonly options?: readonly { readonly name: string; readonly value?: string | undefined }[] | undefined;
}
