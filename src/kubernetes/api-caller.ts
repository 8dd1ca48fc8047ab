import type { ConfigurationOptions, KubeConfig, ResponseContext } from '@kubernetes/client-node';
import {
  ApiException,
  CoreV1Api,
  createConfiguration,
  HttpMethod,
  IsomorphicFetchHttpLibrary,
  Observable,
  RequestContext,
  ServerConfiguration,
} from '@kubernetes/client-node';
import { InvalidSpecError } from '../errors/caller.ts';
import type { ApiCallFacts, ClusterError } from '../errors/cluster.ts';
import { ApiUnavailableError, TooManyRequestsError, UnauthorizedError } from '../errors/cluster.ts';
import { retryAfterMs } from '../errors/error-code.ts';
import { backoffMs } from '../internal/backoff.ts';
import type { Clock } from '../runtime/options.ts';
import { apiAnswerError, neverArrived, noAnswerError } from './api-error.ts';
import { CallSignal, CallTimeout } from './call-signal.ts';
import type { KubeConfigSource } from './kube-config-source.ts';
import { SharedAuthentication } from './shared-authentication.ts';

/** One configuration of a cluster, as it was read. */
interface Credentials {
  readonly kubeConfig: KubeConfig;
  readonly api: CoreV1Api;
  readonly authentication: SharedAuthentication;
}

/** What a caller of the API needs. */
export interface ApiCallerOptions {
  readonly source: KubeConfigSource;
  readonly clock: Clock;
  /** How long an answer may take, in milliseconds. */
  readonly callTimeoutMs: number;
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
  #credentials: Credentials;

  /** @throws InvalidSpecError - `kubeConfig` */
  constructor(options: ApiCallerOptions) {
    this.#options = options;
    this.#credentials = toCredentials(options.source.load());
  }

  get kubeConfig(): KubeConfig {
    return this.#credentials.kubeConfig;
  }

  /** Reads the credentials anew; what was read before stays where that fails. */
  refresh(): void {
    try {
      this.#credentials = toCredentials(this.#options.source.load());
    } catch (error) {
      // A file that is being replaced is whole again at the next attempt.
      if (!(error instanceof InvalidSpecError)) throw error;
    }
  }

  /** Makes the call, again where that may be and may help. */
  async call<T>(call: ApiCall, attempt: (api: CoreV1Api, options: ConfigurationOptions) => Promise<T>): Promise<T> {
    return this.#retrying(call, async ({ api }) => {
      using deadline = new CallSignal(call.signal, this.#options.callTimeoutMs);
      return await attempt(api, { middleware: [abortedBy(deadline.signal)], middlewareMergeStrategy: 'append' });
    });
  }

  /** Opens a GET whose answer is read as it comes. The signal ends the reading as well. */
  async open(call: ApiCall, path: string, query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<ResponseContext> {
    return this.#retrying(call, async ({ kubeConfig, authentication }) => {
      const url = new URL(`${kubeConfig.getCurrentCluster()?.server ?? ''}${path}`);
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
      const context = new RequestContext(url.href, HttpMethod.GET);
      await authentication.applySecurityAuthentication(context);
      context.setSignal(signal);
      const response = await new IsomorphicFetchHttpLibrary().send(context).toPromise();
      if (response.httpStatusCode === 401) throw new ApiException(401, '', await response.body.text(), response.headers);
      return response;
    });
  }

  async #retrying<T>(call: ApiCall, attempt: (credentials: Credentials) => Promise<T>): Promise<T> {
    const { signal, facts } = call;
    let refreshed = false;
    for (let retry = 0; ; retry += 1) {
      signal?.throwIfAborted();
      const credentials = this.#credentials;
      try {
        return await attempt(credentials);
      } catch (thrown) {
        signal?.throwIfAborted();
        const error = toClusterError(thrown, facts);
        if (error instanceof UnauthorizedError && !refreshed) {
          refreshed = true;
          // Somebody else may have done so meanwhile.
          if (this.#credentials === credentials) this.refresh();
          continue;
        }
        if (retry >= retries || !mayRepeat(call, error, thrown)) throw error;
        await this.#options.clock.sleep(waitMs(error, retry), { signal });
      }
    }
  }
}

function toCredentials(kubeConfig: KubeConfig): Credentials {
  const authentication = new SharedAuthentication(kubeConfig);
  const baseServer = new ServerConfiguration(kubeConfig.getCurrentCluster()?.server ?? '', {});
  return { kubeConfig, authentication, api: new CoreV1Api(createConfiguration({ baseServer, authMethods: { default: authentication } })) };
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

function toClusterError(thrown: unknown, facts: ApiCallFacts): ClusterError {
  if (!(thrown instanceof ApiException)) return noAnswerError(thrown, facts);
  const body: unknown = thrown.body;
  const text = typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body);
  return apiAnswerError({ status: thrown.code, body: text, retryAfter: thrown.headers['retry-after'] }, facts);
}

function mayRepeat({ repeat }: ApiCall, error: ClusterError, thrown: unknown): boolean {
  if (thrown instanceof CallTimeout || !error.retryable) return false;
  const notDone = error instanceof TooManyRequestsError || neverArrived(thrown) || (error instanceof ApiUnavailableError && error.status === 409);
  return repeat === 'safe' || notDone;
}

function waitMs(error: ClusterError, retry: number): number {
  const own = backoffMs(retry, backoff);
  return Math.max(own, Math.min(retryAfterMs(error) ?? 0, longestRetryAfterMs));
}
