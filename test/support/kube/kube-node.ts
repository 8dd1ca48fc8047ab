import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { Context } from 'mocha';

const run = promisify(execFile);

/** Stops and starts the second node of a real cluster. */
export interface KubeNode {
  /** The name of the node. */
  readonly name: string;
  /** Stops the kubelet. The pods of the node run on. */
  stop(): Promise<void>;
  /** Starts what does not run. */
  start(): Promise<void>;
  /** Kills the container runtime, which the pods of the node outlive. */
  killRuntime(): void;
}

/**
 * Uses the program that `KW_KUBE_NODE` names, and the process IDs that it keeps. Without one, skips
 * the suite and prints the reason.
 */
export function kubeNode(context: Context): KubeNode {
  const program =
    process.env['KW_KUBE_NODE'] ?? fileURLToPath(new URL('../../../../shared/kube/node', import.meta.url));
  if (!existsSync(program)) {
    console.log(`      skipped: ${program}, which stops and starts nodes, does not exist; see KW_KUBE_NODE`);
    context.skip();
  }
  const running = join(process.env['KUBE_HOME'] ?? '/var/tmp/kube', 'run');
  const stop = async (): Promise<void> => {
    await run(program, ['stop', '2']);
  };
  return {
    name: 'kube-node-2',
    stop,
    start: async () => {
      // Starts a kubelet in any case. The started programs keep the output open.
      await stop();
      await run('sh', ['-c', '"$0" start 2 >/dev/null 2>&1', program]);
    },
    killRuntime: () => {
      process.kill(Number(readFileSync(join(running, 'containerd-2.pid'), 'utf8')), 'SIGKILL');
    },
  };
}
