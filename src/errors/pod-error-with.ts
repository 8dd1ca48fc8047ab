import {
  ImagePullFailedError,
  OutOfMemoryError,
  PodDeletedError,
  type PodError,
  PodEvictedError,
  type PodFacts,
  PodFailedError,
  PodStartTimeoutError,
  PodUnschedulableError,
} from './pod.ts';

type AnyPodError =
  | ImagePullFailedError
  | OutOfMemoryError
  | PodDeletedError
  | PodEvictedError
  | PodFailedError
  | PodStartTimeoutError
  | PodUnschedulableError;

/**
 * Returns a copy of the error with other facts: the message depends on the facts, and cannot be
 * changed.
 */
export function podErrorWith(error: PodError, changes: Partial<PodFacts>): PodError {
  const { namespace, podName, reason, detail, mayStillRun, nodeName, containerName, diagnostics } = error;
  const before = { namespace, podName, reason, detail, mayStillRun, nodeName, containerName, diagnostics };
  return copyOf(error as AnyPodError, { ...before, ...changes }, 'cause' in error ? { cause: error.cause } : {});
}

function copyOf(error: AnyPodError, facts: PodFacts, options: ErrorOptions): PodError {
  switch (error.code) {
    case 'KW_ERR_IMAGE_PULL_FAILED':
      return new ImagePullFailedError(facts, error.image, error.retryable, options);
    case 'KW_ERR_OUT_OF_MEMORY':
      return new OutOfMemoryError(facts, error, options);
    case 'KW_ERR_POD_DELETED':
      return new PodDeletedError(facts, options);
    case 'KW_ERR_POD_EVICTED':
      return new PodEvictedError(facts, options);
    case 'KW_ERR_POD_FAILED':
      return new PodFailedError(facts, options);
    case 'KW_ERR_POD_START_TIMEOUT':
      return new PodStartTimeoutError(facts, error.waitedMs, options);
    case 'KW_ERR_POD_UNSCHEDULABLE':
      return new PodUnschedulableError(facts, error.waitedMs, options);
  }
}
