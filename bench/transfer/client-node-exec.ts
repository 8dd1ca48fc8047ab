import { execFile } from 'node:child_process';
import { PassThrough, type Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { Exec, KubeConfig, type V1Status } from '@kubernetes/client-node';
import { extract, pack } from 'tar-fs';

import type { PeerPod } from './kubectl-exec.ts';
import { digestOfOutput, digestScript } from './tree-digest.ts';

const comparisons = 15;
const comparisonPauseMs = 1_000;

interface ExecStreams {
  readonly stdin?: Readable;
  readonly stdout?: Writable;
}

/**
 * Copies folders as CI integrations in Node do: with `tar` in pods through `Exec` of
 * `@kubernetes/client-node`, and with `tar-fs` on this machine. `Exec` neither reports lost bytes
 * nor applies backpressure, so each copy ends with a comparison of the digests on both sides,
 * which is repeated until they are equal.
 */
export class ClientNodeExec {
  /** Copies a folder of this machine into a folder of a pod. */
  async into(pod: PeerPod, dir: string, folder: string): Promise<void> {
    // A stream of streamx, which has the events that `Exec` uses.
    const stdin = pack(folder) as unknown as Readable;
    await exec(pod, ['tar', '-x', '-f', '-', '-C', dir], { stdin });
    await untilEqual(
      () => localDigest(folder),
      () => podDigest(pod, dir),
    );
  }

  /** Copies a folder of a pod into a folder of this machine. */
  async outOf(pod: PeerPod, dir: string, folder: string): Promise<void> {
    const archive = new PassThrough();
    await Promise.all([
      exec(pod, ['tar', '-c', '-f', '-', '-C', dir, '.'], { stdout: archive }),
      pipeline(archive, extract(folder)),
    ]);
    await untilEqual(
      () => podDigest(pod, dir),
      () => localDigest(folder),
    );
  }

  /** Copies a folder of one pod into a folder of another, through this process. */
  async between(from: PeerPod, to: PeerPod, dirs: { readonly from: string; readonly to: string }): Promise<void> {
    const archive = new PassThrough();
    await Promise.all([
      exec(from, ['tar', '-c', '-f', '-', '-C', dirs.from, '.'], { stdout: archive }),
      exec(to, ['tar', '-x', '-f', '-', '-C', dirs.to], { stdin: archive }),
    ]);
    await untilEqual(
      () => podDigest(from, dirs.from),
      () => podDigest(to, dirs.to),
    );
  }
}

/** Returns the digest of the files in a folder of this machine. */
export async function localDigest(folder: string): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-c', digestScript(folder)], { maxBuffer: 64 * 1024 * 1024 });
  return digestOfOutput(stdout);
}

async function podDigest(pod: PeerPod, dir: string): Promise<string> {
  const output = new TextSink();
  await exec(pod, ['sh', '-c', digestScript(dir)], { stdout: output });
  return digestOfOutput(output.text);
}

/** Compares two digests until they are equal. Throws after 15 attempts. */
async function untilEqual(source: () => Promise<string>, target: () => Promise<string>): Promise<void> {
  const expected = await source();
  for (let left = comparisons; left > 0; left -= 1) {
    if ((await target()) === expected) return;
    await sleep(comparisonPauseMs);
  }
  throw new Error('client-node: the digests of both sides differ');
}

/** Runs a command in a pod. Rejects if it fails, or if the connection closes without a status. */
async function exec({ kubeconfig, podName }: PeerPod, command: readonly string[], streams: ExecStreams): Promise<void> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const namespace = config.getContextObject(config.getCurrentContext())?.namespace ?? 'default';
  const stderr = new TextSink();
  const ended = Promise.withResolvers<V1Status>();
  const { stdin = null, stdout = null } = streams;
  stdin?.once('error', ended.reject);
  const socket = await new Exec(config).exec(
    namespace,
    podName,
    'main',
    [...command],
    stdout,
    stderr,
    stdin,
    false,
    ended.resolve,
  );
  socket.addEventListener('close', () => {
    ended.reject(new Error(`client-node: ${command[0] ?? ''} ended without a status`));
  });
  const { status, message = '' } = await ended.promise;
  if (status !== 'Success') throw new Error(`client-node: ${command[0] ?? ''}: ${message} ${stderr.text}`);
}

/** Collects a stream as text. */
class TextSink extends Writable {
  #chunks: Buffer[] = [];

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }
}
