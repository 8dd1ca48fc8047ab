import { KubeConfig } from '@kubernetes/client-node';

import { ClientNodeCluster } from '../../../src/kubernetes/api/client-node-cluster.ts';
import { TcpProxy } from '../rig/tcp-proxy.ts';

/** A cluster of this machine behind a proxy. */
export interface ClusterBehindProxy {
  readonly proxy: TcpProxy;
  readonly cluster: ClientNodeCluster;
}

/** Starts a proxy in front of the API server of a configuration. */
export async function clusterBehindProxy(config: KubeConfig, namespace: string): Promise<ClusterBehindProxy> {
  const proxy = await TcpProxy.start(Number(new URL(config.getCurrentCluster()!.server).port));
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromOptions({
    clusters: config.getClusters().map((each) => ({ ...each, server: `https://127.0.0.1:${proxy.port}` })),
    users: config.getUsers(),
    contexts: config.getContexts(),
    currentContext: config.getCurrentContext(),
  });
  return { proxy, cluster: await ClientNodeCluster.fromConfig({ kubeConfig, namespace }) };
}
