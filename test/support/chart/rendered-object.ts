import type {
  V1ClusterRole,
  V1ClusterRoleBinding,
  V1ConfigMap,
  V1DaemonSet,
  V1Deployment,
  V1Job,
  V1Namespace,
  V1NetworkPolicyPeer,
  V1NetworkPolicyPort,
  V1ObjectMeta,
  V1PersistentVolumeClaim,
  V1Pod,
  V1PodDisruptionBudget,
  V1Role,
  V1RoleBinding,
  V1Secret,
  V1Service,
  V1ServiceAccount,
  V2HorizontalPodAutoscaler,
} from '@kubernetes/client-node';
import { parseAllDocuments } from 'yaml';

/** An object of the chart's manifests. */
export interface RenderedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: V1ObjectMeta & { readonly name: string };
}

/** A NetworkPolicy as it is in YAML: the client calls `from` otherwise. */
export interface NetworkPolicy {
  readonly spec: {
    readonly podSelector: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly policyTypes?: readonly string[];
    readonly ingress?: readonly { readonly from?: V1NetworkPolicyPeer[]; readonly ports?: V1NetworkPolicyPort[] }[];
    readonly egress?: readonly { readonly to?: V1NetworkPolicyPeer[]; readonly ports?: V1NetworkPolicyPort[] }[];
  };
}

/** What the chart uses of a ServiceMonitor. */
export interface ServiceMonitor {
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly endpoints: readonly { readonly port: string; readonly path?: string; readonly [key: string]: unknown }[];
    readonly namespaceSelector?: { readonly matchNames?: readonly string[] };
  };
}

/** What the chart uses of a PrometheusRule. */
export interface PrometheusRule {
  readonly spec: {
    readonly groups: readonly {
      readonly name: string;
      readonly rules: readonly { readonly alert?: string; readonly annotations?: Readonly<Record<string, string>> }[];
    }[];
  };
}

/** The kinds of the chart's objects. */
export interface Kinds {
  ClusterRole: V1ClusterRole;
  ClusterRoleBinding: V1ClusterRoleBinding;
  ConfigMap: V1ConfigMap;
  DaemonSet: V1DaemonSet;
  Deployment: V1Deployment;
  HorizontalPodAutoscaler: V2HorizontalPodAutoscaler;
  Job: V1Job;
  Namespace: V1Namespace;
  NetworkPolicy: NetworkPolicy;
  PersistentVolumeClaim: V1PersistentVolumeClaim;
  Pod: V1Pod;
  PodDisruptionBudget: V1PodDisruptionBudget;
  PrometheusRule: PrometheusRule;
  Role: V1Role;
  RoleBinding: V1RoleBinding;
  /** A Rollout has the template, the selector and the replicas of a Deployment. */
  Rollout: V1Deployment;
  Secret: V1Secret;
  Service: V1Service;
  ServiceAccount: V1ServiceAccount;
  ServiceMonitor: ServiceMonitor;
}

/** Returns the objects of a kind, in the order of the manifests. */
export function ofKind<K extends keyof Kinds>(
  objects: readonly RenderedObject[],
  kind: K,
): readonly (RenderedObject & Kinds[K])[] {
  return objects.filter((object): object is RenderedObject & Kinds[K] => object.kind === kind);
}

/** Returns the only object of a kind. Throws if there is none, or if there are several. */
export function oneOfKind<K extends keyof Kinds>(
  objects: readonly RenderedObject[],
  kind: K,
): RenderedObject & Kinds[K] {
  const [object, ...others] = ofKind(objects, kind);
  if (object === undefined || others.length > 0)
    throw new Error(`${others.length + (object === undefined ? 0 : 1)} objects of the kind ${kind}, not 1`);
  return object;
}

/** Parses manifests as Kubernetes does. A key that occurs twice, or a document without a kind, is an error. */
export function parseObjects(manifests: string): readonly RenderedObject[] {
  return parseAllDocuments(manifests, { version: '1.1', customTags: withoutTimes })
    .map((document) => {
      for (const error of document.errors) throw error;
      return document.toJS() as RenderedObject | null;
    })
    .filter((object) => object !== null)
    .map((object) => {
      if (typeof object.kind !== 'string' || typeof object.metadata?.name !== 'string')
        throw new Error(`a document of the manifests is no object: ${JSON.stringify(object).slice(0, 200)}`);
      return object;
    });
}

/** Kubernetes reads `yes` as a boolean and 0644 as octal, as YAML 1.1 does, and neither dates nor 12:30 as a number. */
function withoutTimes<T>(tags: T[]): T[] {
  return tags.filter(
    (tag) => typeof tag === 'string' || !hasTag(tag) || (tag.format !== 'TIME' && !tag.tag.endsWith(':timestamp')),
  );
}

function hasTag(tag: unknown): tag is { readonly tag: string; readonly format?: string } {
  return typeof tag === 'object' && tag !== null && 'tag' in tag;
}
