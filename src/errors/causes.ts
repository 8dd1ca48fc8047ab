import type { ErrorCode } from './error-code.ts';

/**
 * The source of the facts: the response to an API call or to an exec, or the state of an image, a
 * container or a pod.
 */
export type CauseSource = 'api' | 'exec' | 'image' | 'container' | 'pod';

/**
 * When a cause ends the call. `at once`: immediately. `second failure`: the first failure may be
 * accidental, such as a pull secret that the kubelet does not have yet. `third exit`: after the
 * third exit of the container. `time-out`: only by a time-out; the library retries or waits until
 * then.
 */
export type Finality = 'at once' | 'second failure' | 'third exit' | 'time-out';

/** Maps a failure to an error. The first cause whose conditions all hold applies. */
export interface Cause {
  readonly source: CauseSource;
  /** Verbs of the API call, as RBAC names them. */
  readonly verbs?: readonly string[];
  /** HTTP statuses, such as `429` or `5xx`. `none` stands for a missing response. */
  readonly statuses?: readonly string[];
  /** Reasons that Kubernetes reports. `*` stands for any text. */
  readonly reasons?: readonly string[];
  /** Texts in lower case, one of which the message contains. `*` stands for any text. */
  readonly words?: readonly string[];
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly final: Finality;
}

/** The facts that select a cause. */
export interface CauseFacts {
  readonly verb?: string | undefined;
  readonly status?: number | undefined;
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

/**
 * The container runtime is busy or restarting: errors of its own socket and files, not the
 * container's.
 */
const runtimeIsAway = [
  'dial unix',
  'error while dialing',
  '/run/containerd/',
  '/run/crio/',
  '/run/k3s/',
  '/run/docker',
  '/run/cri-dockerd',
  'transport is closing',
  'ttrpc: closed',
  'code = unavailable',
  'error reading from server',
];
const runtimeIsSlow = [
  'deadline exceeded',
  'timed out',
  'timeout',
  'is reserved for',
  'resource temporarily unavailable',
];
const missingProgram = [
  'executable file*not found',
  'exec format error',
  'argument list too long',
  'exec: "*no such file or directory',
  'exec: "*permission denied',
  'exec /*no such file or directory',
  'exec /*permission denied',
  'executable*no such file or directory',
  'executable*permission denied',
];
/** A registry, or the network on the way to it, cannot serve now. */
const registryIsAway = [
  '429',
  'too many requests',
  'toomanyrequests',
  'rate limit',
  'quota exceeded',
  'qps exceeded',
  'status code: 5',
  'status: 5',
  '500 internal server error',
  '502 bad gateway',
  '503 service unavailable',
  '504 gateway time',
  'connection refused',
  'connection reset',
  'broken pipe',
  'no route to host',
  'network is unreachable',
  'no such host',
  'server misbehaving',
  'temporary failure in name resolution',
  'tls handshake timeout',
  'unexpected eof',
  ': eof',
];
const imageIsRefused = [
  'not found',
  'manifest unknown',
  'name unknown',
  'does not exist',
  'no match for platform',
  'no matching manifest',
  '401',
  '403',
  'unauthorized',
  'forbidden',
  'denied',
  'authentication required',
  'authorization failed',
  'insufficient_scope',
  'no basic auth credentials',
  'invalid reference',
  'unsupported media type',
  'x509:',
  'server gave http response to https client',
];

const passing = { retryable: true, final: 'time-out' } as const;
const final = { retryable: false, final: 'at once' } as const;
const imageReasons = [
  'ErrImagePull',
  'ImagePullBackOff',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
];

/**
 * All conclusions that the library draws from the messages of Kubernetes, its nodes and registries.
 * `docs/errors.md` lists them.
 */
export const causes: readonly Cause[] = [
  { source: 'api', statuses: ['401'], code: 'KW_ERR_UNAUTHORIZED', ...final },
  {
    source: 'api',
    statuses: ['403'],
    words: ['exceeded quota', 'status unknown for quota'],
    code: 'KW_ERR_QUOTA_EXCEEDED',
    ...passing,
  },
  {
    source: 'api',
    statuses: ['403'],
    words: ['is forbidden: user "', 'cannot * resource "'],
    code: 'KW_ERR_FORBIDDEN',
    ...final,
  },
  {
    source: 'api',
    statuses: ['4xx'],
    words: ['is forbidden: ', 'denied the request', 'denied request', 'because it is being terminated'],
    code: 'KW_ERR_ADMISSION_DENIED',
    ...final,
  },
  { source: 'api', statuses: ['403'], code: 'KW_ERR_FORBIDDEN', ...final },
  // Two creations collided at one quota. An existing name has the reason AlreadyExists.
  {
    source: 'api',
    verbs: ['create'],
    statuses: ['409'],
    reasons: ['Conflict'],
    code: 'KW_ERR_API_UNAVAILABLE',
    ...passing,
  },
  { source: 'api', statuses: ['409'], code: 'KW_ERR_CONFLICT', ...final },
  { source: 'api', statuses: ['429'], code: 'KW_ERR_TOO_MANY_REQUESTS', ...passing },
  {
    source: 'api',
    statuses: ['5xx'],
    words: ['request is too large', 'message larger than max', 'resourceexhausted'],
    code: 'KW_ERR_API_ERROR',
    ...final,
  },
  { source: 'api', statuses: ['408', '5xx', 'none'], code: 'KW_ERR_API_UNAVAILABLE', ...passing },
  { source: 'api', code: 'KW_ERR_API_ERROR', ...final },

  {
    source: 'exec',
    words: [
      'container not found',
      // The kubelet has not received the pod yet. The API server's own message is "not found".
      'pod does not exist',
      'does not have a host assigned',
      'is not running',
      'in container_* state',
    ],
    code: 'KW_ERR_EXEC_HANDSHAKE_FAILED',
    ...passing,
  },
  { source: 'exec', words: [...runtimeIsAway, ...runtimeIsSlow], code: 'KW_ERR_EXEC_HANDSHAKE_FAILED', ...passing },
  { source: 'exec', words: missingProgram, code: 'KW_ERR_EXEC_HANDSHAKE_FAILED', ...final },
  { source: 'exec', statuses: ['408', '5xx', 'none'], code: 'KW_ERR_EXEC_HANDSHAKE_FAILED', ...passing },
  { source: 'exec', code: 'KW_ERR_EXEC_HANDSHAKE_FAILED', ...final },

  { source: 'image', reasons: ['InvalidImageName', 'ErrImageNeverPull'], code: 'KW_ERR_IMAGE_PULL_FAILED', ...final },
  {
    source: 'image',
    reasons: imageReasons,
    words: [...registryIsAway, ...runtimeIsSlow, ...runtimeIsAway],
    code: 'KW_ERR_IMAGE_PULL_FAILED',
    ...passing,
  },
  {
    source: 'image',
    reasons: imageReasons,
    words: imageIsRefused,
    code: 'KW_ERR_IMAGE_PULL_FAILED',
    retryable: false,
    final: 'second failure',
  },
  { source: 'image', reasons: imageReasons, code: 'KW_ERR_IMAGE_PULL_FAILED', ...passing },

  {
    source: 'container',
    words: ['configmap "*" not found', 'failed to sync configmap cache', 'failed to sync secret cache'],
    code: 'KW_ERR_POD_START_TIMEOUT',
    ...passing,
  },
  { source: 'container', words: [...runtimeIsAway, ...runtimeIsSlow], code: 'KW_ERR_POD_START_TIMEOUT', ...passing },
  {
    source: 'container',
    reasons: ['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError', '*HookError'],
    code: 'KW_ERR_POD_FAILED',
    ...final,
  },
  {
    source: 'container',
    reasons: ['StartError', 'ContainerCannotRun'],
    words: missingProgram,
    code: 'KW_ERR_POD_FAILED',
    ...final,
  },
  { source: 'container', reasons: ['OOMKilled'], code: 'KW_ERR_OUT_OF_MEMORY', retryable: false, final: 'third exit' },
  { source: 'container', code: 'KW_ERR_POD_FAILED', retryable: false, final: 'third exit' },

  {
    source: 'pod',
    reasons: [
      'Evicted',
      'NodeLost',
      'Shutdown',
      'NodeShutdown',
      'Terminated',
      'Preempting',
      'NodeAffinity',
      'UnexpectedAdmissionError',
      'OutOf*',
      'DisruptionTarget',
    ],
    code: 'KW_ERR_POD_EVICTED',
    retryable: true,
    final: 'at once',
  },
  { source: 'pod', reasons: ['Deleted'], code: 'KW_ERR_POD_DELETED', ...final },
  { source: 'pod', code: 'KW_ERR_POD_FAILED', ...final },
];

/**
 * Returns the cause of facts from this source. The last cause of a source has no conditions, unless
 * the source reports no other reasons.
 */
export function findCause(source: CauseSource, facts: CauseFacts): Cause | undefined {
  const message = facts.message?.toLowerCase() ?? '';
  return causes.find(
    (cause) =>
      cause.source === source &&
      (cause.verbs?.includes(facts.verb ?? '') ?? true) &&
      (cause.statuses?.some((status) => isStatus(facts.status, status)) ?? true) &&
      (cause.reasons?.some((reason) => isText(facts.reason ?? '', reason)) ?? true) &&
      (cause.words?.some((words) => findText(message, words, 0) >= 0) ?? true),
  );
}

function isStatus(status: number | undefined, pattern: string): boolean {
  if (status === undefined) return pattern === 'none';
  return pattern.endsWith('xx') ? String(status).startsWith(pattern.slice(0, 1)) : String(status) === pattern;
}

/** Returns whether the whole text matches the pattern. */
function isText(text: string, pattern: string): boolean {
  const [first = ''] = pattern.split('*');
  if (!pattern.includes('*')) return text === pattern;
  return text.startsWith(first) && findText(text, pattern, 0) === text.length;
}

/** Returns where the first match of the pattern ends, or -1. A `*` at the end matches the rest. */
function findText(text: string, pattern: string, from: number): number {
  let end = from;
  for (const part of pattern.split('*')) {
    const at = text.indexOf(part, end);
    if (at < 0) return -1;
    end = at + part.length;
  }
  return pattern.endsWith('*') ? text.length : end;
}
