import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';

import { Exec, type KubeConfig, type V1Status } from '@kubernetes/client-node';

/** A Kubernetes container of a pod. */
export interface PodContainer {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** Runs a command in a pod, and returns what it printed. Rejects if the command fails. */
export async function podExec(
  kubeConfig: KubeConfig,
  { namespace, pod, container }: PodContainer,
  command: readonly string[],
): Promise<string> {
  const { stdout, stderr, status } = await execOutcome(kubeConfig, { namespace, pod, container }, command);
  if (status.status !== 'Success')
    throw new Error(`${command[0]} in ${namespace}/${pod}: ${status.message}: ${stderr.slice(0, 500)}`);
  return stdout;
}

/** What came of a command. */
export interface ExecOutcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: V1Status;
}

/** Runs a command in a pod. A command that fails is an outcome. */
export async function execOutcome(
  kubeConfig: KubeConfig,
  { namespace, pod, container }: PodContainer,
  command: readonly string[],
): Promise<ExecOutcome> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const outputs = Promise.all([text(stdout), text(stderr)]);
  const status = await new Promise<V1Status>((resolve, reject) => {
    new Exec(kubeConfig)
      .exec(namespace, pod, container, [...command], stdout, stderr, null, false, resolve)
      .then((socket) => {
        socket.onclose = () => reject(new Error(`the exec in ${namespace}/${pod} closed without a status`));
      })
      .catch(reject);
  });
  stdout.end();
  stderr.end();
  const [printed, complaints] = await outputs;
  return { stdout: printed, stderr: complaints, status };
}
