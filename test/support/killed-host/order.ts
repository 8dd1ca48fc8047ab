import { fileURLToPath } from 'node:url';

import type { StoresOptions } from '../../../src/index.ts';

/** The cluster, the database and the worker of the hosts. */
export interface HostWorld {
  readonly kubeconfigPath: string;
  readonly namespace: string;
  readonly databaseUrl: string;
  readonly workerName: string;
  readonly image: string;
  /** The claim that outputs are saved to. Without it, they are in their pods only. */
  readonly storeClaim?: string | undefined;
}

/** The work of a host program: the argument of `host.ts`, as JSON. */
export interface HostOrder extends HostWorld {
  readonly builds: readonly string[];
  /** The number of builds that run at a time. */
  readonly concurrency: number;
  /** The host keeps the logs and the outcome of a build in a folder of its name in this one. */
  readonly folder: string;
  readonly reapEveryMs?: number;
  /** Longer than an outage: the reaper deletes a container whose lease lapses while it is created. */
  readonly leaseMs: number;
  /** Whether the host calls again after a retryable error. */
  readonly isRetried: boolean;
}

/** The option `stores` of the worker. */
export function storesOf({ storeClaim }: HostWorld): StoresOptions | undefined {
  return storeClaim === undefined ? undefined : { pvc: { claim: storeClaim } };
}

/** The path of the host program. */
export const hostProgram: string = fileURLToPath(new URL('./host.ts', import.meta.url));

/** The name of the file with the statuses of a build's steps. It exists once the build has ended. */
export const outcomeFile = 'outcome.json';
