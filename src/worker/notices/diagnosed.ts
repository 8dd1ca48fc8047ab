import type { Writable } from 'node:stream';

import { PodError } from '../../errors/pod.ts';
import { ContainerDisappearedError } from '../../errors/repository.ts';
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
 * the signal has aborted. The error may also be the cause of a `ContainerDisappearedError`. An error
 * that has diagnostics is returned unchanged: they were written when it received them. Resolves with
 * any other error at once, unchanged. Never rejects.
 */
export async function diagnosed(error: unknown, { pods, stderr, signal }: DiagnosedOptions): Promise<unknown> {
  const isCause = error instanceof ContainerDisappearedError;
  const podError = isCause ? error.cause : error;
  if (!(podError instanceof PodError) || podError.diagnostics !== undefined) return error;
  const complete = await pods.diagnose(podError, { signal });
  const { diagnostics } = complete;
  // The output before may lack a line end.
  if (diagnostics !== undefined && signal?.aborted !== true) writeNotice(stderr, `\n${diagnostics}\n`);
  return isCause ? new ContainerDisappearedError(error.handle, error.workerName, { cause: complete }) : complete;
}

/** Runs the work. Completes an error with which it rejects, as `diagnosed`. */
export async function withDiagnostics<T>(work: () => Promise<T>, options: DiagnosedOptions): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw await diagnosed(error, options);
  }
}
