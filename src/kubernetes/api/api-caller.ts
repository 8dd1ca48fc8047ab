import { Readable } from 'node:stream';

import type { Response } from 'undici';

import type { ApiCallFacts } from '../../errors/cluster.ts';
import {
  ApiUnavailableError,
  ClusterError,
  CredentialsUnavailableError,
  TooManyRequestsError,
  UnauthorizedError,
} from '../../errors/cluster.ts';
import { type RetryDecision, retry } from '../../retry/retry.ts';
import { RetryPace } from '../../retry/retry-pace.ts';
import type { AbortOptions, Clock } from '../../runtime/options.ts';
import type { ApiObserver } from '../../telemetry/cluster-metrics.ts';
import type { ClusterAccess } from '../access/cluster-access.ts';
import { CredentialStep } from '../access/credential-step.ts';
import type { KubeConfigSource } from '../access/kube-config-source.ts';
import type { LoadedConfig } from '../access/loaded-config.ts';
import { CallSignal, CallTimeout } from '../call-signal.ts';
import { GrantedCalls } from '../granted-calls.ts';
import { apiAnswerError, neverArrived, noAnswerError } from './api-error.ts';
import { apiUrl, type Query } from './api-url.ts';
import { RequestRate } from './request-rate.ts';

export interface ApiCallerOptions {
  readonly source: KubeConfigSource;
  /** The configuration that the source has loaded. */
  readonly config: LoadedConfig;
  readonly clock: Clock;
  /** Limit for a response, in milliseconds. The credentials before it have the same limit. */
  readonly callTimeoutMs: number;
  readonly environment: NodeJS.ProcessEnv;
  /** Receives a report of each request. @defaultValue none */
  readonly observe?: ApiObserver | undefined;
}

/** A request to the API server. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Unencoded segments below the server's URL. */
  readonly path: readonly string[];
  readonly query?: Query;
  /** The representation of the response. @defaultValue JSON, otherwise anything */
  readonly accept?: string;
  /** Sent as JSON. */
  readonly body?: object;
  /** Part of every error of the request. */
  readonly facts: ApiCallFacts;
  readonly signal: AbortSignal | undefined;
  /**
   * Which failures are retried. `safe`: all retryable ones. `unsent`: those where the server
   * certainly did not execute the request. `unanswered`: those without a response.
   */
  readonly retry: 'safe' | 'unsent' | 'unanswered';
}

const retries = 3;
const backoff = { firstMs: 200, longestMs: 2_000 };
/** More than a worker needs for a hundred pods that start at once, and less than hurts an API server. */
const rate = { perSecond: 200, burst: 400 };

/**
 * Sends requests to the API server. Applies signals and time-outs, converts failures to the
 * library's errors, renews credentials after a 401, retries, and limits the rate of requests.
 */
export class ApiCaller {
  readonly #options: ApiCallerOptions;
  readonly #credentials: CredentialStep;
  readonly #rate: RequestRate;
  readonly #granted: GrantedCalls;

  constructor(options: ApiCallerOptions) {
    this.#options = options;
    this.#credentials = new CredentialStep({ ...options, limitMs: options.callTimeoutMs });
    this.#rate = new RequestRate({ ...rate, clock: options.clock });
    this.#granted = new GrantedCalls(options.clock);
  }

  /**
   * Returns the current access to the API server. `refused` is an access that the server has
   * rejected; it is replaced.
   *
   * @throws CredentialsUnavailableError
   */
  async access({
    signal,
    refused,
  }: AbortOptions & { readonly refused?: ClusterAccess | undefined }): Promise<ClusterAccess> {
    if (refused !== undefined) this.#credentials.refuse(refused);
    return await this.#credentials.access({ signal });
  }

  /**
   * Sends a request and returns its decoded JSON response. A response that cannot be decoded
   * (`undefined`) counts as `ApiUnavailableError`. `at` is the time of the response by the server's
   * clock.
   */
  async call<T>(request: ApiRequest, decode: (json: unknown, at: Date | undefined) => T | undefined): Promise<T> {
    return this.#retrying(request, async (access) => {
      using deadline = new CallSignal(request.signal, this.#options.callTimeoutMs);
      const response = await this.#send(access, request, deadline.signal);
      const decoded = decode(await response.json(), dateOf(response));
      if (decoded === undefined) throw new Error('the response has an unexpected form');
      return decoded;
    });
  }

  /**
   * Sends a request and returns its response as a stream. `signal` aborts the request and the
   * stream.
   */
  async open(request: ApiRequest, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const response = await this.#retrying(request, (access) => this.#send(access, request, signal));
    return response.body ?? Readable.from([]);
  }

  /** Throws the library's error if the response is not a success. */
  async #send(access: ClusterAccess, request: ApiRequest, signal: AbortSignal): Promise<Response> {
    const { clock, observe } = this.#options;
    const { verb, resource } = request.facts;
    const startedAt = clock.now();
    const report = (status: number | 'none'): void =>
      observe?.({ verb, resource, status, durationMs: clock.now() - startedAt });
    let response: Response;
    try {
      response = await fetchFrom(access, request, signal);
    } catch (error) {
      // A request that its caller aborts is no failure.
      if (request.signal?.aborted !== true) report('none');
      throw error;
    }
    report(response.status);
    // A server looks for an object only after it has granted the call.
    if (response.ok || response.status === 404) this.#granted.add(request.facts);
    return await requireSuccess(response, request);
  }

  async #retrying<T>(request: ApiRequest, attempt: (access: ClusterAccess) => Promise<T>): Promise<T> {
    const { signal, facts } = request;
    const pace = new RetryPace({ clock: this.#options.clock, backoff });
    let access: ClusterAccess | undefined;
    let refused = false;
    const work = async (): Promise<T> => {
      access = undefined;
      await this.#rate.take({ signal });
      access = await this.#credentials.access({ signal });
      return await attempt(access);
    };
    const decide = (thrown: unknown): RetryDecision => {
      const error = this.#granted.judge(isCallError(thrown) ? thrown : noAnswerError(thrown, facts));
      if (error instanceof UnauthorizedError && access !== undefined && !refused) {
        refused = true;
        this.#credentials.refuse(access);
        return 'at once';
      }
      if (pace.retries >= retries || !mayRetry(request, error)) throw error;
      return 'wait';
    };
    return await retry(work, { pace, signal, decide });
  }
}

async function fetchFrom(access: ClusterAccess, request: ApiRequest, signal: AbortSignal): Promise<Response> {
  const { method, path, query, body, accept = 'application/json, */*;q=0.8' } = request;
  return await access.fetch(apiUrl(access.server, path, query), {
    method,
    headers: {
      Accept: accept,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...access.headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(access.dispatcher === undefined ? {} : { dispatcher: access.dispatcher }),
    signal,
  });
}

async function requireSuccess(response: Response, { facts }: ApiRequest): Promise<Response> {
  if (response.ok) return response;
  const retryAfter = response.headers.get('retry-after') ?? undefined;
  throw apiAnswerError({ status: response.status, body: await response.text(), retryAfter }, facts);
}

function dateOf({ headers }: Response): Date | undefined {
  const date = new Date(headers.get('date') ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** The statuses of `ApiUnavailableError` that mean that the server has not executed the request. */
const refusals: ReadonlySet<number | undefined> = new Set([403, 409]);

type CallError = ClusterError | CredentialsUnavailableError;

function isCallError(thrown: unknown): thrown is CallError {
  return thrown instanceof ClusterError || thrown instanceof CredentialsUnavailableError;
}

function mayRetry({ retry }: ApiRequest, error: CallError): boolean {
  if (!error.retryable || error.cause instanceof CallTimeout) return false;
  if (error instanceof CredentialsUnavailableError || retry === 'safe') return true;
  if (retry === 'unanswered') return error instanceof ApiUnavailableError && error.status === undefined;
  return (
    error instanceof TooManyRequestsError ||
    neverArrived(error) ||
    (error instanceof ApiUnavailableError && refusals.has(error.status))
  );
}
