import type { HostChild } from '../host/host-child.ts';
import { benchDir, type Place } from '../host/host-messages.ts';
import type { KubectlExec, PeerPod } from './kubectl-exec.ts';

/** Moves archives. Each mover has its own folder, on the same disk. */
export interface Mover {
  /** Identifies the mover in a case and in errors. */
  readonly name: string;
  /** The folder of the mover in `benchDir`. */
  readonly side: 'data' | 'peer';
  /** Runs a shell script in a pod, in `benchDir`. Resolves with its output. */
  script(pod: number, script: string): Promise<string>;
  up(archive: string, to: Place): Promise<unknown>;
  down(from: Place, archive: string): Promise<unknown>;
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
    across: (from, to) => host.execute({ kind: 'across', from, to }),
  };
}

/** Moves archives with `kubectl`, in the pods of the host. */
export function peers(kubectl: KubectlExec, host: HostChild, pods: readonly PeerPod[]): Mover {
  const podOf = ({ pod }: Place): PeerPod => {
    const found = pods[pod];
    if (found === undefined) throw new Error(`there is no pod ${pod}`);
    return found;
  };
  const dirOf = ({ path }: Place): string => `${benchDir}/peer/${path}`;
  return {
    name: 'kubectl',
    side: 'peer',
    script: (pod, script) => scriptIn(host, pod, script),
    up: (archive, to) => kubectl.into(podOf(to), dirOf(to), archive),
    down: (from, archive) => kubectl.outOf(podOf(from), dirOf(from), archive),
    across: (from, to) => kubectl.between(podOf(from), podOf(to), { from: dirOf(from), to: dirOf(to) }),
  };
}

async function scriptIn(host: HostChild, pod: number, script: string): Promise<string> {
  return (await host.execute({ kind: 'script', pod, script })).output;
}
