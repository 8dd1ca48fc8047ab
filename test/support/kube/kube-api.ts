import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { Context } from 'mocha';

const run = promisify(execFile);

/** Stops and starts a real API server. */
export interface KubeApi {
  kill(): Promise<void>;
  /** Resolves when the server was started. It answers some seconds later. */
  start(): Promise<void>;
}

/**
 * Uses the program that `KW_KUBE_API` names. Without one, skips the suite and prints the reason.
 */
export function kubeApi(context: Context): KubeApi {
  const program = process.env['KW_KUBE_API'] ?? fileURLToPath(new URL('../../../../shared/kube/api', import.meta.url));
  if (!existsSync(program)) {
    console.log(`      skipped: ${program}, which kills and starts the API server, does not exist; see KW_KUBE_API`);
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
