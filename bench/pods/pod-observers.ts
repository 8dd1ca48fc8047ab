import { setTimeout as sleep } from 'node:timers/promises';

import { CoreV1Api, KubeConfig, makeInformer } from '@kubernetes/client-node';

import { silentLogger } from '../../src/internal/silent-logger.ts';
import { systemClock } from '../../src/internal/system-clock.ts';
import { ClientNodeCluster } from '../../src/kubernetes/api/client-node-cluster.ts';
import { PodWatch } from '../../src/kubernetes/pod-state/pod-watch.ts';

/** Follows all pods of a server. */
export interface PodObservers extends AsyncDisposable {
  /** Calls `act`, which changes the pod `step-7`. Resolves when the change was observed. */
  whenChanged(act: () => void): Promise<void>;
}

export type OpenObservers = (url: string) => Promise<PodObservers>;

function configOf(url: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'c', server: url, skipTLSVerify: true }],
    users: [{ name: 'u' }],
    contexts: [{ name: 'c', cluster: 'c', user: 'u', namespace: 'ci' }],
    currentContext: 'c',
  });
  return config;
}

/** Opens the library's watch. */
export const libraryWatch: OpenObservers = async (url) => {
  const cluster = await ClientNodeCluster.fromConfig({ kubeConfig: configOf(url) });
  const watch = new PodWatch({
    cluster,
    labelSelector: 'kubernetes-worker/worker',
    clock: systemClock(),
    logger: silentLogger,
    idleMs: 600_000,
  });
  const first = watch.observe('step-0');
  await first.next();
  await first.return();
  await sleep(500);
  return {
    whenChanged: async (act) => {
      const changes = watch.observe('step-7');
      await changes.next();
      const changed = changes.next();
      act();
      await changed;
      await changes.return();
    },
    [Symbol.asyncDispose]: async () => {
      watch.close();
      await sleep(0);
    },
  };
};

/** Opens client-node's informer. */
export const informer: OpenObservers = async (url) => {
  const config = configOf(url);
  const api = config.makeApiClient(CoreV1Api);
  const list = () => api.listNamespacedPod({ namespace: 'ci' });
  const pods = makeInformer(config, '/api/v1/namespaces/ci/pods', list);
  pods.on('error', () => undefined);
  await pods.start();
  await sleep(500);
  return {
    whenChanged: async (act) => {
      const changed = Promise.withResolvers<void>();
      const listener = (): void => changed.resolve();
      pods.on('update', listener);
      act();
      await changed.promise;
      pods.off('update', listener);
    },
    [Symbol.asyncDispose]: async () => {
      await pods.stop();
    },
  };
};
