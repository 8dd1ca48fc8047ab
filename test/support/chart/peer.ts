import { setTimeout as sleep } from 'node:timers/promises';

import { CoreV1Api, type KubeConfig, type V1Pod } from '@kubernetes/client-node';

import type { PodContainer } from './pod-exec.ts';

/** The port of a peer. */
export const peerPort = 8080;

export interface PeerOptions {
  readonly namespace: string;
  readonly name: string;
  /** The image of the service, which has Node. */
  readonly image: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A pod that listens, and that probes from: a client of the service, or what a policy permits and denies. */
export interface Peer extends PodContainer {
  /** Its IP and port. */
  readonly address: string;
}

/** Starts a peer, and waits until it listens. The Pod Security standard `restricted` accepts it. */
export async function startPeer(
  kubeConfig: KubeConfig,
  { namespace, name, image, labels = {} }: PeerOptions,
): Promise<Peer> {
  const api = kubeConfig.makeApiClient(CoreV1Api);
  await api.createNamespacedPod({ namespace, body: peerPod(name, image, labels) });
  for (;;) {
    const { status } = await api.readNamespacedPod({ namespace, name });
    const isReady = status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
    if (isReady) return { namespace, pod: name, container: 'main', address: `${status?.podIP}:${peerPort}` };
    if (status?.phase === 'Failed') throw new Error(`the peer ${namespace}/${name} has failed`);
    await sleep(200);
  }
}

function peerPod(name: string, image: string, labels: Readonly<Record<string, string>>): V1Pod {
  const script = `require('node:http').createServer((_, answer) => answer.end('here')).listen(${peerPort})`;
  return {
    metadata: { name, labels: { 'test/peer': name, ...labels } },
    spec: {
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'main',
          image,
          command: ['/usr/local/bin/node', '-e', script],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          readinessProbe: { tcpSocket: { port: peerPort }, periodSeconds: 1 },
        },
      ],
    },
  };
}
