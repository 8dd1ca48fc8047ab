import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';

/** A pod that both sides use. */
export interface PeerPod {
  readonly kubeconfig: string;
  readonly podName: string;
}

/** The protocol between kubectl and the API server. */
export type Wire = 'websocket' | 'spdy';

/** Transfers with `tar` in pods, through `kubectl exec`. */
export class KubectlExec {
  readonly #wire: Wire;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** Unpacks an archive into a folder of a pod. */
  async into(pod: PeerPod, dir: string, archive: string): Promise<void> {
    await using file = await open(archive, 'r');
    await succeeded(this.#untar(pod, dir, [file.fd, 'ignore', 'inherit']));
  }

  /** Packs a folder of a pod into an archive. */
  async outOf(pod: PeerPod, dir: string, archive: string): Promise<void> {
    await using file = await open(archive, 'w');
    await succeeded(this.#tar(pod, dir, ['ignore', file.fd, 'inherit']));
  }

  /**
   * Copies a folder of one pod into a folder of another: two processes and a pipe between them, as
   * in a shell.
   */
  async between(from: PeerPod, to: PeerPod, dirs: { readonly from: string; readonly to: string }): Promise<void> {
    const target = this.#untar(to, dirs.to, ['pipe', 'ignore', 'inherit']);
    const { stdin } = target;
    if (stdin === null) throw new Error('kubectl has no stdin');
    // The other process inherits the end of the pipe: no byte passes through this process.
    const source = this.#tar(from, dirs.from, ['ignore', stdin, 'inherit']);
    stdin.destroy();
    await Promise.all([succeeded(source), succeeded(target)]);
  }

  /**
   * The `echo` keeps stdout open to the end. Without it kubectl can end with status 0 before all
   * bytes have arrived.
   */
  #untar(pod: PeerPod, dir: string, stdio: StdioOptions): ChildProcess {
    const script = 'tar -x -f - -C "$1" && echo done';
    return this.#kubectl(pod, ['exec', '-i', pod.podName, '-c', 'main', '--', 'sh', '-c', script, 'sh', dir], stdio);
  }

  #tar(pod: PeerPod, dir: string, stdio: StdioOptions): ChildProcess {
    return this.#kubectl(pod, ['exec', pod.podName, '-c', 'main', '--', 'tar', '-c', '-f', '-', '-C', dir, '.'], stdio);
  }

  #kubectl({ kubeconfig }: PeerPod, args: readonly string[], stdio: StdioOptions): ChildProcess {
    const env = { ...process.env, KUBECTL_REMOTE_COMMAND_WEBSOCKETS: String(this.#wire === 'websocket') };
    return spawn('kubectl', ['--kubeconfig', kubeconfig, ...args], { stdio, env });
  }
}

async function succeeded(child: ChildProcess): Promise<void> {
  const [status] = (await once(child, 'exit')) as [number | null];
  if (status !== 0) throw new Error(`kubectl exec ended with status ${status}`);
}
