/**
 * Rules about the nodes of a pod, as in Kubernetes.
 *
 * @public
 */
export interface Affinity {
  /** Rules about the labels of nodes. @defaultValue none */
  readonly nodeAffinity?: NodeAffinity | undefined;
  /** Rules that attract the pod to the nodes of other pods. @defaultValue none */
  readonly podAffinity?: PodAffinity | undefined;
  /** Rules that keep the pod away from the nodes of other pods. @defaultValue none */
  readonly podAntiAffinity?: PodAffinity | undefined;
}

/**
 * Rules about the labels of nodes, as in Kubernetes.
 *
 * @public
 */
export interface NodeAffinity {
  /** The node must match at least one of the terms. @defaultValue every node */
  readonly requiredDuringSchedulingIgnoredDuringExecution?:
    | { readonly nodeSelectorTerms: readonly NodeSelectorTerm[] }
    | undefined;
  /** The scheduler adds up the weights of the terms that a node matches. @defaultValue none */
  readonly preferredDuringSchedulingIgnoredDuringExecution?:
    | readonly { readonly weight: number; readonly preference: NodeSelectorTerm }[]
    | undefined;
}

/**
 * Requirements that a node must satisfy together, as in Kubernetes.
 *
 * @public
 */
export interface NodeSelectorTerm {
  /** Requirements of the node's labels. @defaultValue none */
  readonly matchExpressions?: readonly NodeSelectorRequirement[] | undefined;
  /** Requirements of the node's fields, such as `metadata.name`. @defaultValue none */
  readonly matchFields?: readonly NodeSelectorRequirement[] | undefined;
}

/**
 * A requirement of a node's label or field, as in Kubernetes.
 *
 * @public
 */
export interface NodeSelectorRequirement {
  /** The key of the label, or the name of the field. */
  readonly key: string;
  /** How the value is compared. */
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';
  /** One number for `Gt` and `Lt`, none for `Exists` and `DoesNotExist`. @defaultValue none */
  readonly values?: readonly string[] | undefined;
}

/**
 * Rules about the nodes of other pods, as in Kubernetes.
 *
 * @public
 */
export interface PodAffinity {
  /** The terms that must all hold. @defaultValue none */
  readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly PodAffinityTerm[] | undefined;
  /** The scheduler adds up the weights of the terms that hold. @defaultValue none */
  readonly preferredDuringSchedulingIgnoredDuringExecution?:
    | readonly { readonly weight: number; readonly podAffinityTerm: PodAffinityTerm }[]
    | undefined;
}

/**
 * A set of pods, and the label of nodes by which "the same place" is defined, as in Kubernetes.
 *
 * @public
 */
export interface PodAffinityTerm {
  /** The label of nodes, such as `kubernetes.io/hostname`. */
  readonly topologyKey: string;
  /** Selects the pods. @defaultValue no pod */
  readonly labelSelector?: LabelSelector | undefined;
  /** The namespaces of the pods. @defaultValue the worker's namespace */
  readonly namespaces?: readonly string[] | undefined;
}

/**
 * Selects objects by their labels, as in Kubernetes.
 *
 * @public
 */
export interface LabelSelector {
  /** Labels that must have these values. @defaultValue none */
  readonly matchLabels?: Readonly<Record<string, string>> | undefined;
  /** Further requirements of labels. @defaultValue none */
  readonly matchExpressions?: readonly LabelSelectorRequirement[] | undefined;
}

/**
 * A requirement of a label, as in Kubernetes.
 *
 * @public
 */
export interface LabelSelectorRequirement {
  /** The key of the label. */
  readonly key: string;
  /** How the value is compared. */
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  /** The values for `In` and `NotIn`. @defaultValue none */
  readonly values?: readonly string[] | undefined;
}

/**
 * How pods are spread over nodes, as in Kubernetes.
 *
 * @public
 */
export interface TopologySpreadConstraint {
  /** The maximum difference between the numbers of pods of two places: at least 1. */
  readonly maxSkew: number;
  /** The label of nodes that defines a place, such as `topology.kubernetes.io/zone`. */
  readonly topologyKey: string;
  /** What the scheduler does if no node satisfies the constraint. */
  readonly whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway';
  /** Selects the pods to count. @defaultValue no pod */
  readonly labelSelector?: LabelSelector | undefined;
  /** The least number of places, with `DoNotSchedule` only. @defaultValue 1 */
  readonly minDomains?: number | undefined;
}
