import { STATUS_CODES } from 'node:http';

import { type AnyKubernetesWorkerError, isKubernetesWorkerError } from '../../../index.ts';
import type { Reply } from './request.ts';

/** The codes of errors that the server finds itself. Errors of the library have their own codes. */
export type HttpErrorCode =
  | 'KW_HTTP_BAD_REQUEST'
  | 'KW_HTTP_UNAUTHENTICATED'
  | 'KW_HTTP_FORBIDDEN'
  | 'KW_HTTP_NOT_FOUND'
  | 'KW_HTTP_METHOD_NOT_ALLOWED'
  | 'KW_HTTP_TIMEOUT'
  | 'KW_HTTP_REQUEST_TIMEOUT'
  | 'KW_HTTP_OUTPUT_GONE'
  | 'KW_HTTP_URL_TOO_LONG'
  | 'KW_HTTP_MISDIRECTED'
  | 'KW_HTTP_HEADERS_TOO_LARGE'
  | 'KW_HTTP_INTERNAL'
  | 'KW_HTTP_BUSY'
  | 'KW_HTTP_STARTING'
  | 'KW_HTTP_AUTH_UNAVAILABLE';

/** The body of every error. */
export interface ErrorBody {
  /** The standard text of the status. */
  readonly error: string;
  /** The stable code. */
  readonly code: string;
  readonly message: string;
  /** What the caller can do. */
  readonly hint: string;
}

const facts: Readonly<Record<HttpErrorCode, readonly [status: number, hint: string]>> = {
  KW_HTTP_BAD_REQUEST: [400, 'Correct the parameter that the message names: see docs/http-api.md.'],
  KW_HTTP_UNAUTHENTICATED: [401, 'Send a valid token: Authorization: Bearer TOKEN.'],
  KW_HTTP_FORBIDDEN: [403, 'Use a token with the required permission, or configure status.auth.'],
  KW_HTTP_NOT_FOUND: [404, 'List the paths in docs/http-api.md, or the objects with the collection of the path.'],
  KW_HTTP_METHOD_NOT_ALLOWED: [405, 'Use GET or HEAD: the API is read-only.'],
  KW_HTTP_TIMEOUT: [504, 'Repeat the request later, or request a smaller page.'],
  KW_HTTP_REQUEST_TIMEOUT: [408, 'Send the whole request at once.'],
  KW_HTTP_OUTPUT_GONE: [410, 'Output exists as long as the pod of its container.'],
  KW_HTTP_URL_TOO_LONG: [414, 'Shorten the query.'],
  KW_HTTP_MISDIRECTED: [421, 'Use an IP address or localhost as the host, or configure status.auth.'],
  KW_HTTP_HEADERS_TOO_LARGE: [431, 'Send fewer or shorter headers.'],
  KW_HTTP_INTERNAL: [500, 'Search the log of the service for this time, and report the fault.'],
  KW_HTTP_BUSY: [503, 'Repeat the request later.'],
  KW_HTTP_STARTING: [503, 'Wait until /startupz answers with 200.'],
  KW_HTTP_AUTH_UNAVAILABLE: [503, 'Repeat the request later; search the log of the service for the cause.'],
};

/** An error that the server reports to its client. The message holds no secret. */
export class HttpError extends Error {
  readonly code: HttpErrorCode;
  readonly status: number;
  readonly hint: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: HttpErrorCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = 'HttpError';
    this.code = code;
    [this.status, this.hint] = facts[code];
    this.headers = headers;
  }
}

/** The status for errors of the library, by code; otherwise 503 if a retry may help, else 502. */
const statusOfCode: Readonly<Partial<Record<AnyKubernetesWorkerError['code'], number>>> = {
  KW_ERR_INVALID_SPEC: 400,
  KW_ERR_CONTAINER_DISAPPEARED: 404,
  KW_ERR_PROCESS_NOT_FOUND: 404,
  KW_ERR_VOLUME_DISAPPEARED: 404,
  KW_ERR_VOLUME_NOT_FOUND: 404,
  KW_ERR_OUTPUT_FREED: 410,
  KW_ERR_CLOSED: 503,
  KW_ERR_WORKER_NOT_RUNNING: 503,
};

const hints: Readonly<Record<number, string>> = {
  400: facts.KW_HTTP_BAD_REQUEST[1],
  404: facts.KW_HTTP_NOT_FOUND[1],
  410: facts.KW_HTTP_OUTPUT_GONE[1],
  502: 'Search docs/errors.md for the code; run kubernetes-worker doctor.',
  503: facts.KW_HTTP_BUSY[1],
};

/** Returns the response for an error. What is not an error of the library or the server keeps its message. */
export function errorReply(error: unknown): Reply {
  if (error instanceof HttpError) {
    const { status, code, message, hint, headers } = error;
    return reply(status, { code, message, hint }, headers);
  }
  if (!isKubernetesWorkerError(error))
    return errorReply(new HttpError('KW_HTTP_INTERNAL', 'The service failed to answer the request.'));
  const status = statusOfCode[error.code] ?? (error.retryable ? 503 : 502);
  return reply(status, { code: error.code, message: error.message, hint: hints[status] ?? '' });
}

function reply(status: number, body: Omit<ErrorBody, 'error'>, headers: Readonly<Record<string, string>> = {}): Reply {
  const error: ErrorBody = { error: STATUS_CODES[status] ?? 'Error', ...body };
  const retry: Readonly<Record<string, string>> = status === 503 ? { 'Retry-After': '5' } : {};
  return { status, headers: { ...retry, ...headers }, content: { json: error } };
}
