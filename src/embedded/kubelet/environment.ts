import type { V1Container, V1EnvVar } from '@kubernetes/client-node';
import { isRecord, type Pod, stringMap, textOf } from '../objects/api-object.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { expandVariables } from './expansion.ts';

/**
 * A config map or secret that a container needs does not exist (yet). The kubelet calls this
 * CreateContainerConfigError.
 */
export class MissingSourceError extends Error {}

/**
 * Returns the values of a config map or secret by key. Returns `undefined` if the object does not
 * exist.
 */
export function sourceValues(
  store: ObjectStore,
  kind: 'configmaps' | 'secrets',
  namespace: string,
  name: string,
): ReadonlyMap<string, Buffer> | undefined {
  const object = store.find(kind, namespace, name);
  if (object === undefined) return undefined;
  const plain = kind === 'configmaps' ? stringMap(object.data) : {};
  const coded = kind === 'configmaps' ? stringMap(object.binaryData) : stringMap(object.data);
  return new Map([
    ...Object.entries(plain).map(([key, value]) => [key, Buffer.from(value)] as const),
    ...Object.entries(coded).map(([key, value]) => [key, Buffer.from(value, 'base64')] as const),
  ]);
}

/** Returns the value of a pod's field by its `fieldRef` path. */
export function podField(pod: Pod, path: string): string | undefined {
  const { metadata, spec } = pod;
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path);
  if (keyed) return stringMap(metadata[keyed[1] === 'labels' ? 'labels' : 'annotations'])[keyed[2] ?? ''] ?? '';
  const fields: Readonly<Record<string, string | undefined>> = {
    'metadata.name': metadata.name,
    'metadata.namespace': metadata.namespace,
    'metadata.uid': metadata.uid,
    'metadata.labels': formatMap(metadata.labels),
    'metadata.annotations': formatMap(metadata.annotations),
    'spec.nodeName': spec.nodeName,
    'spec.serviceAccountName': spec.serviceAccountName,
    'status.hostIP': '127.0.0.1',
    'status.podIP': '127.0.0.1',
    'status.podIPs': '127.0.0.1',
  };
  return fields[path];
}

function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .sort()
    .join('\n');
}

interface EnvironmentRequest {
  readonly pod: Pod;
  readonly container: V1Container;
  readonly store: ObjectStore;
  /** The variables that every container has. */
  readonly base: Readonly<Record<string, string>>;
}

/**
 * Returns the environment of a container: `envFrom`, then `env` in order. Each value can refer to
 * earlier variables with `$(NAME)`.
 * @throws MissingSourceError if a config map, a secret or a key does not exist and is not optional
 */
export function containerEnvironment(request: EnvironmentRequest): Record<string, string> {
  const { container, base } = request;
  const own = new Map<string, string>();
  for (const source of container.envFrom ?? []) {
    const [kind, reference] = source.secretRef
      ? (['secrets', source.secretRef] as const)
      : (['configmaps', source.configMapRef] as const);
    const values =
      reference?.name === undefined
        ? undefined
        : sourceValues(request.store, kind, namespaceOf(request.pod), reference.name);
    if (values === undefined && reference?.optional !== true)
      throw new MissingSourceError(`${singular(kind)} "${reference?.name ?? ''}" not found`);
    for (const [key, value] of values ?? []) own.set(`${source.prefix ?? ''}${key}`, value.toString('utf8'));
  }
  for (const variable of container.env ?? []) {
    const value = variable.valueFrom ? referencedValue(request, variable) : expandVariables(variable.value ?? '', own);
    if (value !== undefined) own.set(variable.name, value);
  }
  return { ...base, ...Object.fromEntries(own) };
}

function namespaceOf(pod: Pod): string {
  return pod.metadata.namespace ?? 'default';
}

function singular(kind: 'configmaps' | 'secrets'): string {
  return kind.slice(0, -1);
}

function referencedValue({ pod, container, store }: EnvironmentRequest, { valueFrom }: V1EnvVar): string | undefined {
  if (valueFrom?.fieldRef) return podField(pod, valueFrom.fieldRef.fieldPath) ?? '';
  if (valueFrom?.resourceFieldRef) return resourceField(container, valueFrom.resourceFieldRef.resource);
  const [kind, reference] = valueFrom?.secretKeyRef
    ? (['secrets', valueFrom.secretKeyRef] as const)
    : (['configmaps', valueFrom?.configMapKeyRef] as const);
  if (reference === undefined) return '';
  const name = reference.name ?? '';
  const values = sourceValues(store, kind, namespaceOf(pod), name);
  const value = values?.get(reference.key);
  if (value !== undefined) return value.toString('utf8');
  if (reference.optional === true) return undefined;
  throw new MissingSourceError(
    values === undefined
      ? `${singular(kind)} "${name}" not found`
      : `couldn't find key ${reference.key} in ${kind === 'secrets' ? 'Secret' : 'ConfigMap'} ${namespaceOf(pod)}/${name}`,
  );
}

function resourceField(container: V1Container, path: string): string {
  const [list, name = ''] = path.split('.');
  const values: unknown = list === 'requests' ? container.resources?.requests : container.resources?.limits;
  return isRecord(values) ? textOf(values[name] ?? '0') : '0';
}
