import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { Context } from 'mocha';

const run = promisify(execFile);

/** What makes a real API server go away and come back. */
export interface KubeApi {
  kill(): Promise<void>;
  /** Resolves when it was started; it answers some seconds later. */
  start(): Promise<void>;
}

/** By the program that `KW_KUBE_API` names; without one the suite is skipped, and says why. */
export function kubeApi(context: Context): KubeApi {
  const program = process.env['KW_KUBE_API'] ?? fileURLToPath(new URL('../../../shared/kube/api', import.meta.url));
  if (!existsSync(program)) {
    console.log(`      skipped: there is no ${program} to kill and start the API server with; KW_KUBE_API names one`);
    context.skip();
  }
  return {
    kill: async () => {
      await run(program, ['kill']);
    },
    start: async () => {
      await run(program, ['start']);
    },
  };
}
