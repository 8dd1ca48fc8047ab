import { AdmissionDeniedError, ForbiddenError } from '../../errors/cluster.ts';
import { ExecHandshakeFailedError } from '../../errors/connection.ts';
import { isRetryable } from '../../errors/error-code.ts';
import { PodError } from '../../errors/pod.ts';
import { OutcomeUnknownError } from '../../errors/process.ts';
import { StoreNotConfiguredError } from '../../errors/repository.ts';
import { type ArchiveFacts, ArchiveMissingError, StoreDeniedError, StoreUnavailableError } from '../../errors/store.ts';
import { DiskFullError, FileNotFoundError, NotPermittedError, VolumeIoError } from '../../errors/transfer.ts';
import type { ClaimProblem } from './claim-problem.ts';

/** What a call needs: the right that is missing if the file system refuses. */
export type StoreRight = 'read' | 'write';

/** Where a store keeps its archives. */
export interface StorePlace {
  /** The name of the store. */
  readonly store: string;
  readonly claim: string;
  readonly namespace: string;
}

/**
 * Returns the error that a store reports for a failure of its pod, of its agent or of the cluster.
 * Returns other errors as they are, such as those of an invalid call.
 */
export function storeError(error: unknown, facts: ArchiveFacts, right: StoreRight): unknown {
  const { store, key } = facts;
  if (!(error instanceof Error)) return error;
  const { message } = error;
  const options = { cause: error };
  if (error instanceof StoreUnavailableError || error instanceof StoreNotConfiguredError) return error;
  if (error instanceof FileNotFoundError && key !== undefined) return new ArchiveMissingError({ store, key }, options);
  if (error instanceof DiskFullError) {
    const { podName, errno, bytes } = error;
    return new DiskFullError({ podName, path: key, errno, bytes, store }, message, options);
  }
  if (error instanceof NotPermittedError) return new StoreDeniedError(facts, right, message, options);
  if (error instanceof ForbiddenError)
    return new StoreDeniedError(facts, `${error.verb} ${error.resource}`, message, options);
  if (error instanceof AdmissionDeniedError) return new StoreDeniedError(facts, 'create pods', message, options);
  return isTemporary(error) ? new StoreUnavailableError(facts, message, options) : error;
}

/**
 * Whether the same call may succeed later. A store pod that has ended is made again, and a file
 * system that fails may recover.
 */
function isTemporary(error: Error): boolean {
  return (
    error instanceof PodError ||
    error instanceof VolumeIoError ||
    error instanceof OutcomeUnknownError ||
    error instanceof ExecHandshakeFailedError ||
    isRetryable(error)
  );
}

/** Returns the error of a store whose pod does not get its claim. */
export function claimError(
  { store, claim, namespace }: StorePlace,
  { kind, detail }: ClaimProblem,
): StoreNotConfiguredError | StoreUnavailableError {
  const subject = `claim ${namespace}/${claim}`;
  if (kind === 'missing')
    return new StoreNotConfiguredError(store, `${subject} does not exist: create it, or use another claim`);
  const problems = {
    unbound: 'has no volume',
    'in use': 'is in use by another pod, and its access mode permits one',
    'not mounted': 'cannot be mounted',
  } as const;
  return new StoreUnavailableError({ store }, `${subject} ${problems[kind]}: ${detail}`);
}
