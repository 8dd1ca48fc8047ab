import { readFileSync } from 'node:fs';

import {
  type KubeConfig,
  type KubernetesObject,
  KubernetesObjectApi,
  loadAllYaml,
  loadYaml,
  type V1ConfigMap,
  type V1Deployment,
  type V1Role,
  type V1RoleBinding,
  type V1Secret,
  type V1Service,
} from '@kubernetes/client-node';

const path = new URL('../../../examples/cluster/service.yaml', import.meta.url);

/** The configuration in the manifest, as far as tests use it. */
export interface ManifestConfig {
  readonly worker: Readonly<Record<string, unknown>>;
  readonly shutdown: { readonly graceMs: number };
  readonly [section: string]: unknown;
}

/** The objects of the example for users. */
export interface ServiceManifest {
  readonly objects: readonly KubernetesObject[];
  readonly role: V1Role;
  readonly roleBinding: V1RoleBinding;
  readonly secret: V1Secret;
  readonly configMap: V1ConfigMap;
  readonly deployment: V1Deployment;
  readonly service: V1Service;
}

/** Reads the example for users. */
export function readServiceManifest(): ServiceManifest {
  const objects = loadAllYaml(readFileSync(path, 'utf8')) as KubernetesObject[];
  const only = (kind: string): KubernetesObject => {
    const [first, ...others] = objects.filter((object) => object.kind === kind);
    if (first === undefined || others.length > 0) throw new Error(`not one ${kind}`);
    return first;
  };
  return {
    objects,
    role: only('Role'),
    roleBinding: only('RoleBinding') as V1RoleBinding,
    secret: only('Secret'),
    configMap: only('ConfigMap'),
    deployment: only('Deployment'),
    service: only('Service'),
  };
}

/** Returns the configuration of the service, which is a text in the config map. */
export function configOf({ configMap }: ServiceManifest): ManifestConfig {
  return loadYaml(configMap.data?.['config.yaml'] ?? '');
}

/** What a user replaces in the example. */
export interface Replacements {
  readonly image: string;
  readonly databaseUrl: string;
  readonly token: string;
  readonly config: (config: ManifestConfig) => object;
  /** @defaultValue that of the example */
  readonly replicas?: number | undefined;
}

/** Replaces what a user replaces, and creates the objects in a namespace. Returns the deployment. */
export async function createService(
  kubeConfig: KubeConfig,
  namespace: string,
  { image, databaseUrl, token, config, replicas }: Replacements,
): Promise<V1Deployment> {
  const manifest = readServiceManifest();
  const { secret, configMap, deployment } = manifest;
  secret.stringData = { 'database-url': databaseUrl, 'status-token': token };
  // JSON is YAML.
  configMap.data = { 'config.yaml': JSON.stringify(config(configOf(manifest))) };
  deployment.spec!.template.spec!.containers[0]!.image = image;
  if (replicas !== undefined) deployment.spec!.replicas = replicas;
  const api = KubernetesObjectApi.makeApiClient(kubeConfig);
  for (const object of manifest.objects) {
    object.metadata!.namespace = namespace;
    await api.create(object);
  }
  return deployment;
}
