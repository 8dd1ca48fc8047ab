import { type ApiObject, isPod, isRecord, stringMap } from './api-object.ts';
import { checkDnsLabel, checkSubdomain, type NameCheck } from './names.ts';
import { defaultPod } from './pod-defaults.ts';
import { validatePodSpec, validatePodUpdate } from './pod-validation.ts';
import type { StatusCause } from './status.ts';
import { forbidden, validateData, validateImmutable } from './validation.ts';

/** The definition of a kind that the server supports. */
export interface ResourceDefinition {
  /** The group and the version, like `networking.k8s.io/v1`. The core group has only a version. */
  readonly apiVersion: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  readonly hasStatus: boolean;
  readonly subresources: readonly string[];
  readonly checkName: NameCheck;
  /**
   * The values of the fields that a field selector may name, in addition to `metadata.name` and
   * `metadata.namespace`.
   */
  readonly fields: (object: ApiObject) => Readonly<Record<string, string>>;
  readonly fieldNames: readonly string[];
  /** Adds the defaults of the real server. */
  readonly withDefaults: (object: ApiObject) => ApiObject;
  readonly validate: (object: ApiObject) => readonly StatusCause[];
  readonly validateUpdate: (previous: ApiObject, next: ApiObject) => readonly StatusCause[];
}

type Definition = Pick<ResourceDefinition, 'plural' | 'singular' | 'kind'> & Partial<ResourceDefinition>;

function define(definition: Definition): ResourceDefinition {
  return {
    apiVersion: 'v1',
    shortNames: [],
    namespaced: true,
    hasStatus: false,
    subresources: [],
    checkName: checkSubdomain,
    fields: () => ({}),
    fieldNames: [],
    withDefaults: (object) => object,
    validate: () => [],
    validateUpdate: () => [],
    ...definition,
  };
}

const pods = define({
  plural: 'pods',
  singular: 'pod',
  kind: 'Pod',
  shortNames: ['po'],
  hasStatus: true,
  subresources: ['log', 'exec'],
  fieldNames: [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'status.phase',
    'status.podIP',
  ],
  fields: (object) => {
    if (!isPod(object)) return {};
    const { spec, status } = object;
    return {
      'spec.nodeName': spec.nodeName ?? '',
      'spec.restartPolicy': spec.restartPolicy ?? '',
      'spec.schedulerName': spec.schedulerName ?? '',
      'spec.serviceAccountName': spec.serviceAccountName ?? '',
      'status.phase': status.phase,
      'status.podIP': status.podIP ?? '',
    };
  },
  withDefaults: defaultPod,
  validate: (object) => validatePodSpec(object.spec),
  validateUpdate: validatePodUpdate,
});

const configmaps = define({
  plural: 'configmaps',
  singular: 'configmap',
  kind: 'ConfigMap',
  shortNames: ['cm'],
  validate: (object) => validateData(object, ['binaryData']),
  validateUpdate: validateImmutable,
});

const secrets = define({
  plural: 'secrets',
  singular: 'secret',
  kind: 'Secret',
  fieldNames: ['type'],
  fields: (object) => ({ type: typeof object.type === 'string' ? object.type : '' }),
  withDefaults: (object) => {
    const { stringData, ...rest } = object;
    const encoded = Object.entries(stringMap(stringData)).map(
      ([key, value]) => [key, Buffer.from(value).toString('base64')] as const,
    );
    const data = { ...stringMap(rest.data), ...Object.fromEntries(encoded) };
    return { ...rest, ...(Object.keys(data).length === 0 ? {} : { data }), type: rest.type ?? 'Opaque' };
  },
  validate: (object) => validateData(object, ['data']),
  validateUpdate: validateImmutable,
});

const persistentvolumeclaims = define({
  plural: 'persistentvolumeclaims',
  singular: 'persistentvolumeclaim',
  kind: 'PersistentVolumeClaim',
  shortNames: ['pvc'],
  hasStatus: true,
  withDefaults: (object) => {
    const spec = isRecord(object.spec) ? object.spec : {};
    const resources = isRecord(spec['resources']) ? spec['resources'] : {};
    return {
      ...object,
      spec: {
        volumeMode: 'Filesystem',
        storageClassName: 'embedded',
        ...spec,
        volumeName: spec['volumeName'] ?? `embedded-${object.metadata.name}`,
      },
      status: { phase: 'Bound', accessModes: spec['accessModes'] ?? [], capacity: resources['requests'] ?? {} },
    };
  },
});

const events = define({
  plural: 'events',
  singular: 'event',
  kind: 'Event',
  shortNames: ['ev'],
  fieldNames: [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  fields: (object) => {
    const event: object = object;
    const involved = 'involvedObject' in event ? stringMap(event.involvedObject) : {};
    const reason = 'reason' in event && typeof event.reason === 'string' ? event.reason : '';
    const prefixed = Object.entries(involved).map(([key, value]) => [`involvedObject.${key}`, value] as const);
    return { ...Object.fromEntries(prefixed), reason, type: typeof object.type === 'string' ? object.type : '' };
  },
});

const namespaces = define({
  plural: 'namespaces',
  singular: 'namespace',
  kind: 'Namespace',
  shortNames: ['ns'],
  namespaced: false,
  hasStatus: true,
  checkName: checkDnsLabel,
  fieldNames: ['status.phase'],
  fields: (object) => ({ 'status.phase': stringMap(object.status)['phase'] ?? '' }),
  withDefaults: (object) => ({
    ...object,
    metadata: {
      ...object.metadata,
      labels: { ...object.metadata.labels, 'kubernetes.io/metadata.name': object.metadata.name },
    },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  }),
});

const nodes = define({
  plural: 'nodes',
  singular: 'node',
  kind: 'Node',
  shortNames: ['no'],
  namespaced: false,
  hasStatus: true,
  fieldNames: ['spec.unschedulable'],
  validateUpdate: (previous, next) => (previous.kind === next.kind ? [] : [forbidden('kind', 'may not change')]),
});

const serviceaccounts = define({
  plural: 'serviceaccounts',
  singular: 'serviceaccount',
  kind: 'ServiceAccount',
  shortNames: ['sa'],
});

/** The server stores network policies, and does not enforce them. */
const networkpolicies = define({
  apiVersion: 'networking.k8s.io/v1',
  plural: 'networkpolicies',
  singular: 'networkpolicy',
  kind: 'NetworkPolicy',
  shortNames: ['netpol'],
  withDefaults: (object) => {
    const spec = isRecord(object.spec) ? object.spec : {};
    const policyTypes = ['Ingress', ...(spec['egress'] === undefined ? [] : ['Egress'])];
    return { ...object, spec: { podSelector: {}, policyTypes, ...spec } };
  },
});

/** The server stores quotas as they are, and does not enforce them. */
const resourcequotas = define({
  plural: 'resourcequotas',
  singular: 'resourcequota',
  kind: 'ResourceQuota',
  shortNames: ['quota'],
  hasStatus: true,
  withDefaults: (object) => {
    const { hard } = isRecord(object.spec) ? object.spec : {};
    return { ...object, ...(hard === undefined ? {} : { status: { hard } }) };
  },
});

/** The kinds that the server supports. */
export const resourceDefinitions: readonly ResourceDefinition[] = [
  configmaps,
  events,
  namespaces,
  networkpolicies,
  nodes,
  persistentvolumeclaims,
  pods,
  resourcequotas,
  secrets,
  serviceaccounts,
];

export function findResource(apiVersion: string, plural: string): ResourceDefinition | undefined {
  return resourceDefinitions.find((resource) => resource.apiVersion === apiVersion && resource.plural === plural);
}

/** Returns the values of one object that field selectors compare. */
export function selectableFields(resource: ResourceDefinition, object: ApiObject): Readonly<Record<string, string>> {
  return {
    'metadata.name': object.metadata.name,
    'metadata.namespace': object.metadata.namespace ?? '',
    ...resource.fields(object),
  };
}

export function supportedFields(resource: ResourceDefinition): readonly string[] {
  return ['metadata.name', 'metadata.namespace', ...resource.fieldNames];
}
