import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import type { Context } from 'mocha';

import { ClientNodeCluster } from '../../src/kubernetes/api/client-node-cluster.ts';
import type { Pod } from '../../src/kubernetes/cluster.ts';
import { requiredPermissions } from '../../src/kubernetes/required-permissions.ts';
import { rulesOf, serviceAccount } from './service-account.ts';
import { type ClusterUnderTest, workerSetup } from './worker-setup.ts';

/** A new namespace on the cluster of `KUBECONFIG`. */
export interface RealCluster {
  readonly cluster: ClientNodeCluster;
  readonly namespace: string;
  readonly kubeConfig: KubeConfig;
  readonly kubeconfigPath: string;
  /** A service account with the permissions of `docs/rbac.md`, and no others: the workers use it. */
  readonly account: KubeConfig;
  /** Deletes the namespace with its contents, without waiting for the deletion. */
  remove(): Promise<void>;
}

/** An image with a shell, for the pods of the tests. */
export const shellImage: string = process.env['KW_TEST_IMAGE'] ?? 'registry.local/busybox:1';
/** The same image with a user that is not root. */
export const nonRootImage: string = process.env['KW_TEST_NON_ROOT_IMAGE'] ?? 'registry.local/non-root:1';
/** A complete Linux image with bash. */
export const fullImage: string = process.env['KW_TEST_FULL_IMAGE'] ?? 'registry.local/debian:12';
/** An image with a program `/hello [exit-code]` and no shell. */
export const shellLessImage: string = process.env['KW_TEST_SHELL_LESS_IMAGE'] ?? 'registry.local/shell-less:1';
export const missingImage = 'registry.local:5000/none:1';

/** Uses the cluster of `KUBECONFIG`. Without it, skips the suite and prints the reason. */
export async function realCluster(context: Context, purpose: string): Promise<RealCluster> {
  const path = process.env['KUBECONFIG'];
  if (path === undefined || path === '') {
    console.log('      skipped: KUBECONFIG is not set');
    context.skip();
  }
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromDefault();
  const api = kubeConfig.makeApiClient(CoreV1Api);
  const namespace = `${purpose}-${randomBytes(4).toString('hex')}`;
  await api.createNamespace({ body: { metadata: { name: namespace } } });
  const cluster = await ClientNodeCluster.fromConfig({ namespace });
  await namespaceReady(api, namespace);
  const rules = rulesOf(requiredPermissions);
  const account = await serviceAccount(kubeConfig, { name: 'library', namespace, rules });
  return {
    account,
    cluster,
    namespace,
    kubeConfig,
    kubeconfigPath: path,
    remove: async () => {
      await api.deleteNamespace({ name: namespace, gracePeriodSeconds: 0 });
    },
  };
}

/**
 * Returns the setup of workers that use the service account of the cluster. With the account
 * `undefined`, they have all permissions.
 */
export function realWorkers(
  { kubeconfigPath, account, namespace }: RealCluster,
  database: ClusterUnderTest['database'],
  changes: Partial<ClusterUnderTest> = {},
): ReturnType<typeof workerSetup> {
  return workerSetup({ kubeconfigPath, account, namespace, database, image: shellImage, missingImage, ...changes });
}

/** Returns a pod that only sleeps, for execs. */
export function idlePod(name: string, labels: Record<string, string> = {}): Pod {
  const containers = [{ name: 'main', image: shellImage, command: ['sleep', '86400'] }];
  return {
    metadata: { name, labels },
    spec: { terminationGracePeriodSeconds: 0, automountServiceAccountToken: false, containers },
  };
}

/** Waits until a namespace has its service account: it rejects pods before. */
export async function namespaceReady(api: CoreV1Api, namespace: string): Promise<void> {
  for (;;) {
    const { items } = await api.listNamespacedServiceAccount({ namespace });
    if (items.length > 0) return;
    await sleep(100);
  }
}
