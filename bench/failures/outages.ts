import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import type { Failure } from './failure.ts';
import { onNode } from './failure-cluster.ts';

const run = promisify(execFile);

/** The node that the program `node` stops as number 2. */
const nodeName = 'kube-node-2';

/**
 * The failures of parts of the cluster, which concern all that runs on it. The programs `node` and
 * `api` of the folder stop and start the parts.
 */
export function outages(folder: string): readonly Failure[] {
  const startNode = async (): Promise<void> => {
    await run(join(folder, 'node'), ['stop', '2']);
    // The started programs keep the output open.
    await run('sh', ['-c', '"$0" start 2 >/dev/null 2>&1', join(folder, 'node')]);
  };
  return [
    {
      code: 'KW_ERR_EXEC_HANDSHAKE_FAILED',
      retryable: true,
      pairs: 1,
      what: 'a command starts on a node without a kubelet: reconnectTimeoutMs of 2 s',
      provoke: async (cluster) => {
        try {
          const act = (): Promise<unknown> => run(join(folder, 'node'), ['stop', '2']);
          return await cluster.nextRun('true', onNode(nodeName), { act, reconnectTimeoutMs: 2_000 });
        } finally {
          await startNode();
        }
      },
    },
    {
      code: undefined,
      retryable: false,
      pairs: 1,
      what: 'a container runtime is killed and starts again, a command runs: until its output continues',
      provoke: (cluster) =>
        cluster.continued(onNode(nodeName), async () => {
          const pids = join(process.env['KUBE_HOME'] ?? '/var/tmp/kube', 'run');
          process.kill(Number(readFileSync(join(pids, 'containerd-2.pid'), 'utf8')), 'SIGKILL');
          await sleep(1_000);
          await startNode();
        }),
    },
    {
      code: undefined,
      retryable: false,
      pairs: 1,
      what: 'the API server is killed for 2 s while a container is created: until the container is ready',
      provoke: async (cluster) => {
        const creating = cluster.creation({});
        await sleep(150);
        const provokedMs = performance.now();
        await run(join(folder, 'api'), ['kill']);
        await sleep(2_000);
        await run(join(folder, 'api'), ['start']);
        return { ...(await creating), provokedMs };
      },
    },
  ];
}
