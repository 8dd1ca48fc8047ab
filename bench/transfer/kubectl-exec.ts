import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';

/** The pod that both sides work in. */
export interface PeerPod {
  readonly kubeconfig: string;
  readonly podName: string;
}

/** Unpacks an archive. The `echo` keeps stdout open to the end: without it kubectl can end before the bytes are there, with status 0. */
export async function execInto(pod: PeerPod, dir: string, archive: string): Promise<void> {
  await using file = await open(archive, 'r');
  await kubectl(pod, ['exec', '-i', pod.podName, '-c', 'main', '--', 'sh', '-c', 'tar -x -f - -C "$1" && echo done', 'sh', dir], file.fd, 'ignore');
}

/** Packs a folder. */
export async function execOutOf(pod: PeerPod, dir: string, archive: string): Promise<void> {
  await using file = await open(archive, 'w');
  await kubectl(pod, ['exec', pod.podName, '-c', 'main', '--', 'tar', '-c', '-f', '-', '-C', dir, '.'], 'ignore', file.fd);
}

async function kubectl({ kubeconfig }: PeerPod, args: readonly string[], stdin: number | 'ignore', stdout: number | 'ignore'): Promise<void> {
  const child = spawn('kubectl', ['--kubeconfig', kubeconfig, ...args], { stdio: [stdin, stdout, 'inherit'] });
  const [status] = (await once(child, 'exit')) as [number | null];
  if (status !== 0) throw new Error(`kubectl ${args[0]} ended with status ${status}`);
}
