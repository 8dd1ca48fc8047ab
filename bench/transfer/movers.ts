import type { HostChild } from '../host/host-child.ts';
import { benchDir, type Place } from '../host/orders.ts';
import type { KubectlExec, PeerPod } from './kubectl-exec.ts';

/** Who moves archives; each has a folder of its own in the pods, on the same disk. */
export interface Mover {
  readonly side: 'data' | 'peer';
  up(archive: string, to: Place): Promise<unknown>;
  down(from: Place, archive: string): Promise<unknown>;
  across(from: Place, to: Place): Promise<unknown>;
}

/** The library, in a process of its own as kubectl is. */
export function ours(host: HostChild): Mover {
  return {
    side: 'data',
    up: (file, to) => host.tell({ kind: 'up', to, source: { file } }),
    down: (from, file) => host.tell({ kind: 'down', from, target: { file } }),
    across: (from, to) => host.tell({ kind: 'across', from, to }),
  };
}

export function peers(kubectl: KubectlExec, pods: readonly PeerPod[]): Mover {
  const podOf = ({ pod }: Place): PeerPod => {
    const found = pods[pod];
    if (found === undefined) throw new Error(`there is no pod ${pod}`);
    return found;
  };
  const dirOf = ({ path }: Place): string => `${benchDir}/peer/${path}`;
  return {
    side: 'peer',
    up: (archive, to) => kubectl.into(podOf(to), dirOf(to), archive),
    down: (from, archive) => kubectl.outOf(podOf(from), dirOf(from), archive),
    across: (from, to) => kubectl.between(podOf(from), podOf(to), { from: dirOf(from), to: dirOf(to) }),
  };
}
