import type { ConfigurationOptions, CoreV1Api, KubeConfig, ResponseContext } from '@kubernetes/client-node';
import {
  ApiException,
  HttpMethod,
  IsomorphicFetchHttpLibrary,
  Observable,
  RequestContext,
} from '@kubernetes/client-node';
import type { ApiCallFacts, ClusterError } from '../errors/cluster.ts';
import {
  ApiUnavailableError,
  CredentialsUnavailableError,
  TooManyRequestsError,
  UnauthorizedError,
} from '../errors/cluster.ts';
import { retryAfterMs } from '../errors/error-code.ts';
import { backoffMs } from '../internal/backoff.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';
import { apiAnswerError, neverArrived, noAnswerError } from './api-error.ts';
import { CallSignal, CallTimeout } from './call-signal.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { CredentialStep } from './credential-step.ts';
import type { KubeConfigSource } from './kube-config-source.ts';

/** What a caller of the API needs. */
export interface ApiCallerOptions {
  readonly source: KubeConfigSource;
  readonly clock: Clock;
  /** How long an answer may take, in milliseconds, and how long getting credentials may take before it. */
  readonly callTimeoutMs: number;
  readonly environment: NodeJS.ProcessEnv;
}

/** One call: what it is, and when it may be made again. */
export interface ApiCall {
  readonly facts: ApiCallFacts;
  readonly signal: AbortSignal | undefined;
  /** `safe`: whenever it may help. `unsent`: only where the server surely didn't do it. */
  readonly repeat: 'safe' | 'unsent';
}

const retries = 3;
const backoff = { firstMs: 200, longestMs: 2_000 };
const longestRetryAfterMs = 10_000;

/** Makes calls of the API: signals, time-outs, our errors, fresh credentials after a 401, and retries. */
export class ApiCaller {
  readonly #options: ApiCallerOptions;
  readonly #credentials: CredentialStep;

  /** @throws InvalidSpecError - `kubeConfig` */
  constructor(options: ApiCallerOptions) {
    this.#options = options;
    this.#credentials = new CredentialStep({ ...options, limitMs: options.callTimeoutMs });
  }

  get kubeConfig(): KubeConfig {
    return this.#credentials.kubeConfig;
  }

  /**
   * How the API server is reached now. `refused`: the server has refused that access, others are got.
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

  /** Makes the call, again where that may be and may help. */
  async call<T>(call: ApiCall, attempt: (api: CoreV1Api, options: ConfigurationOptions) => Promise<T>): Promise<T> {
    return this.#retrying(call, async ({ api }) => {
      using deadline = new CallSignal(call.signal, this.#options.callTimeoutMs);
      return await attempt(api, { middleware: [abortedBy(deadline.signal)], middlewareMergeStrategy: 'append' });
    });
  }

  /** Opens a GET whose answer is read as it comes. The signal ends the reading as well. */
  async open(
    call: ApiCall,
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<ResponseContext> {
    return this.#retrying(call, async (access) => {
      const url = new URL(`${access.server}${path}`);
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
      const context = new RequestContext(url.href, HttpMethod.GET);
      access.applySecurityAuthentication(context);
      context.setSignal(signal);
      const response = await new IsomorphicFetchHttpLibrary().send(context).toPromise();
      if (response.httpStatusCode === 401)
        throw new ApiException(401, '', await response.body.text(), response.headers);
      return response;
    });
  }

  async #retrying<T>(call: ApiCall, attempt: (access: ClusterAccess) => Promise<T>): Promise<T> {
    const { signal, facts } = call;
    let refused = false;
    for (let retry = 0; ; retry += 1) {
      signal?.throwIfAborted();
      let access: ClusterAccess | undefined;
      try {
        access = await this.#credentials.access({ signal });
        return await attempt(access);
      } catch (thrown) {
        signal?.throwIfAborted();
        const error = toTypedError(thrown, facts);
        if (error instanceof UnauthorizedError && access !== undefined && !refused) {
          refused = true;
          this.#credentials.refuse(access);
          continue;
        }
        if (retry >= retries || !mayRepeat(call, error, thrown)) throw error;
        await this.#options.clock.sleep(waitMs(error, retry), { signal });
      }
    }
  }
}

function abortedBy(signal: AbortSignal): NonNullable<ConfigurationOptions['middleware']>[number] {
  return {
    pre: (context) => {
      context.setSignal(signal);
      return new Observable(Promise.resolve(context));
    },
    post: (response) => new Observable(Promise.resolve(response)),
  };
}

type CallError = ClusterError | CredentialsUnavailableError;

function toTypedError(thrown: unknown, facts: ApiCallFacts): CallError {
  if (thrown instanceof CredentialsUnavailableError) return thrown;
  if (!(thrown instanceof ApiException)) return noAnswerError(thrown, facts);
  const body: unknown = thrown.body;
  const text = typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body);
  return apiAnswerError({ status: thrown.code, body: text, retryAfter: thrown.headers['retry-after'] }, facts);
}

function mayRepeat({ repeat }: ApiCall, error: CallError, thrown: unknown): boolean {
  if (thrown instanceof CallTimeout || error.cause instanceof CallTimeout || !error.retryable) return false;
  if (error instanceof CredentialsUnavailableError) return true;
  const notDone =
    error instanceof TooManyRequestsError ||
    neverArrived(thrown) ||
    (error instanceof ApiUnavailableError && error.status === 409);
  return repeat === 'safe' || notDone;
}

function waitMs(error: CallError, retry: number): number {
  const own = backoffMs(retry, backoff);
  return Math.max(own, Math.min(retryAfterMs(error) ?? 0, longestRetryAfterMs));
}
