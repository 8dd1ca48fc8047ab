import { writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';

import { KubeConfig } from '@kubernetes/client-node';

import { SlowProxy } from './slow-proxy.ts';

/** Opens a slow proxy, and writes a copy of a kubeconfig whose connections all pass it. */
export async function openSlowly(kubeconfig: string, copy: string, mebibytesPerSecond: number): Promise<SlowProxy> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error(`${kubeconfig} names no cluster`);
  const { hostname, port, pathname } = new URL(cluster.server);
  const proxy = await SlowProxy.open({ host: hostname, port: Number(port === '' ? 443 : port) }, mebibytesPerSecond);
  const moved = { ...cluster, server: `https://127.0.0.1:${proxy.port}${pathname === '/' ? '' : pathname}` };
  const { users, contexts, currentContext } = config;
  const named = isIP(hostname) === 0 ? { ...moved, tlsServerName: cluster.tlsServerName ?? hostname } : moved;
  const through = new KubeConfig();
  through.loadFromOptions({ clusters: [named], users, contexts, currentContext });
  await writeFile(copy, through.exportConfig(), { mode: 0o600 });
  return proxy;
}
