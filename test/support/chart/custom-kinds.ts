import { setTimeout as sleep } from 'node:timers/promises';

import {
  ApiException,
  ApiextensionsV1Api,
  type KubeConfig,
  loadYaml,
  type V1CustomResourceDefinition,
} from '@kubernetes/client-node';

import { customResourceManifests } from '../../../scripts/chart-schemas/custom-resources.ts';

/**
 * Defines the kinds of others that the chart uses, until the object is disposed. Kinds that the
 * cluster has stay.
 */
export async function defineCustomKinds(kubeConfig: KubeConfig): Promise<AsyncDisposable> {
  const api = kubeConfig.makeApiClient(ApiextensionsV1Api);
  const created: string[] = [];
  for (const manifest of customResourceManifests()) {
    const body = loadYaml<V1CustomResourceDefinition>(manifest);
    const name = body.metadata?.name ?? '';
    if (await define(api, body)) created.push(name);
    await established(api, name);
  }
  return {
    [Symbol.asyncDispose]: async () => {
      for (const name of created) await api.deleteCustomResourceDefinition({ name });
    },
  };
}

/** Returns `false` if the cluster has the kind. */
async function define(api: ApiextensionsV1Api, body: V1CustomResourceDefinition): Promise<boolean> {
  try {
    await api.createCustomResourceDefinition({ body });
    return true;
  } catch (error) {
    if (error instanceof ApiException && error.code === 409) return false;
    throw error;
  }
}

async function established(api: ApiextensionsV1Api, name: string): Promise<void> {
  for (;;) {
    const { status } = await api.readCustomResourceDefinition({ name });
    if (status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') === true) return;
    await sleep(100);
  }
}
