import type { Writable } from 'node:stream';

import { PodError } from '../../errors/pod.ts';
import type { PodSupervisor } from '../../pods/pod-supervisor.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import { writeNotice } from './host-notice.ts';

export interface DiagnosedOptions extends AbortOptions {
  readonly pods: Pick<PodSupervisor, 'diagnose'>;
  /** Receives the diagnostics. */
  readonly stderr?: Writable | undefined;
}

/**
 * Completes an error about a pod with its diagnostics, and writes them to the host's stderr, unless
 * the signal has aborted. Resolves with any other error at once, unchanged. Never rejects.
 */
export async function diagnosed(error: unknown, { pods, stderr, signal }: DiagnosedOptions): Promise<unknown> {
  if (!(error instanceof PodError)) return error;
  const complete = await pods.diagnose(error, { signal });
  const { diagnostics } = complete;
  // The output before may lack a line end.
  if (diagnostics !== undefined && signal?.aborted !== true) writeNotice(stderr, `\n${diagnostics}\n`);
  return complete;
}
