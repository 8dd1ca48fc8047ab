import { createReadStream, existsSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';

import { extract } from 'tar-fs';

import type { HostChild } from '../host/host-child.ts';
import { benchDir, type Place } from '../host/host-messages.ts';
import { type ClientNodeExec, localDigest } from './client-node-exec.ts';
import type { KubectlExec, PeerPod } from './kubectl-exec.ts';
import { digestOfArchive } from './tree-digest.ts';

/** Moves archives. Each mover has its own folder, on the same disk. */
export interface Mover {
  /** Identifies the mover in a case and in errors. */
  readonly name: string;
  /** The folder of the mover in `benchDir`. */
  readonly side: 'data' | 'peer' | 'peer/node';
  /** Runs a shell script in a pod, in `benchDir`. Resolves with its output. */
  script(pod: number, script: string): Promise<string>;
  /** Prepares an archive for `up`, before the measurement. */
  prepare?(archive: string): Promise<unknown>;
  up(archive: string, to: Place): Promise<unknown>;
  /** Writes the content to a path that does not exist yet. */
  down(from: Place, target: string): Promise<unknown>;
  /** Resolves with the digest of what `down` has written. */
  digestOf(target: string): Promise<string>;
  across(from: Place, to: Place): Promise<unknown>;
}

/** Moves archives with the library, in a separate process like kubectl. */
export function ours(host: HostChild, name = 'ours'): Mover {
  return {
    name,
    side: 'data',
    script: (pod, script) => scriptIn(host, pod, script),
    up: (file, to) => host.execute({ kind: 'up', to, source: { file } }),
    down: (from, file) => host.execute({ kind: 'down', from, target: { file } }),
    digestOf: digestOfArchive,
    across: (from, to) => host.execute({ kind: 'across', from, to }),
  };
}

/** Moves archives with `kubectl`, in the pods of the host. */
export function kubectlMover(kubectl: KubectlExec, host: HostChild, pods: readonly PeerPod[]): Mover {
  const { podOf, dirOf } = peerPlaces('peer', pods);
  return {
    name: 'kubectl',
    side: 'peer',
    script: (pod, script) => scriptIn(host, pod, script),
    up: (archive, to) => kubectl.into(podOf(to), dirOf(to), archive),
    down: (from, archive) => kubectl.outOf(podOf(from), dirOf(from), archive),
    digestOf: digestOfArchive,
    across: (from, to) => kubectl.between(podOf(from), podOf(to), { from: dirOf(from), to: dirOf(to) }),
  };
}

/** Copies folders with client-node and tar-fs, in the pods of the host and in this process. */
export function clientNodeMover(clientNode: ClientNodeExec, host: HostChild, pods: readonly PeerPod[]): Mover {
  const side = 'peer/node';
  const { podOf, dirOf } = peerPlaces(side, pods);
  const treeOf = (archive: string): string => `${archive}.tree`;
  return {
    name: 'client-node + tar-fs',
    side,
    script: (pod, script) => scriptIn(host, pod, script),
    prepare: async (archive) => {
      if (!existsSync(treeOf(archive))) await pipeline(createReadStream(archive), extract(treeOf(archive)));
    },
    up: (archive, to) => clientNode.into(podOf(to), dirOf(to), treeOf(archive)),
    down: (from, target) => clientNode.outOf(podOf(from), dirOf(from), target),
    digestOf: localDigest,
    across: (from, to) => clientNode.between(podOf(from), podOf(to), { from: dirOf(from), to: dirOf(to) }),
  };
}

function peerPlaces(side: Mover['side'], pods: readonly PeerPod[]) {
  return {
    podOf: ({ pod }: Place): PeerPod => {
      const found = pods[pod];
      if (found === undefined) throw new Error(`there is no pod ${pod}`);
      return found;
    },
    dirOf: ({ path }: Place): string => `${benchDir}/${side}/${path}`,
  };
}

async function scriptIn(host: HostChild, pod: number, script: string): Promise<string> {
  return (await host.execute({ kind: 'script', pod, script })).output;
}
