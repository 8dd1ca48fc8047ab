import type { IncomingMessage } from 'node:http';

import { errorReply, HttpError } from './http-error.ts';
import type { HttpLimits } from './http-limits.ts';
import type { Authorize, Reply, Route } from './request.ts';
import { Router } from './router.ts';

export interface RequestHandlerOptions {
  readonly routes: readonly Route[];
  readonly authorize: Authorize;
  readonly limits: HttpLimits;
  /** Called with an error that is not the client's. */
  readonly onError: (error: unknown, path: string) => void;
}

const methods: readonly (string | undefined)[] = ['GET', 'HEAD'];

/** Finds the response to a request: checks it, authorizes it and calls the handler of its route. */
export class RequestHandler {
  readonly #options: RequestHandlerOptions;
  readonly #router: Router;
  #guarded = 0;

  constructor(options: RequestHandlerOptions) {
    this.#options = options;
    this.#router = new Router(options.routes);
  }

  /** Calls `send` with the response. A guarded request keeps its place until `send` has settled. */
  async answer(request: IncomingMessage, signal: AbortSignal, send: (reply: Reply) => Promise<void>): Promise<void> {
    let release: (() => void) | undefined;
    const reply = await this.#reply(request, signal, (granted) => (release = granted));
    try {
      await send(reply);
    } finally {
      release?.();
    }
  }

  async #reply(request: IncomingMessage, signal: AbortSignal, granted: (release: () => void) => void): Promise<Reply> {
    const [path, search] = splitUrl(request.url ?? '/');
    try {
      this.#check(request);
      const { route, params } = this.#router.match(path);
      const work = async (within: AbortSignal): Promise<Reply> => {
        if (route.access === 'guarded') {
          const { authorization, host } = request.headers;
          await this.#options.authorize({ authorization, host }, within);
          // A place that is taken after the response is never released.
          within.throwIfAborted();
          granted(this.#takePlace());
        }
        const query = new URLSearchParams(search);
        return await route.handler({ params, query, prefersJson: prefersJson(request.headers.accept), signal: within });
      };
      return await this.#within(signal, work);
    } catch (error) {
      const reply = errorReply(error);
      if (reply.status >= 500 && !signal.aborted) this.#options.onError(error, path);
      return reply;
    }
  }

  /** @throws HttpError */
  #check({ method, url = '', headers }: IncomingMessage): void {
    if (!methods.includes(method))
      throw new HttpError('KW_HTTP_METHOD_NOT_ALLOWED', 'The method is not allowed.', { Allow: 'GET, HEAD' });
    if (url.length > this.#options.limits.maxUrlLength)
      throw new HttpError('KW_HTTP_URL_TOO_LONG', 'The URL is too long.', { Connection: 'close' });
    if (!url.startsWith('/')) throw new HttpError('KW_HTTP_BAD_REQUEST', 'The target of the request is not a path.');
    if (hasBody(headers))
      throw new HttpError('KW_HTTP_BAD_REQUEST', 'The request has a body.', { Connection: 'close' });
  }

  #takePlace(): () => void {
    if (this.#guarded >= this.#options.limits.maxConcurrent)
      throw new HttpError('KW_HTTP_BUSY', 'The server answers as many requests as it may at once.');
    this.#guarded += 1;
    return () => {
      this.#guarded -= 1;
    };
  }

  /** Runs work for the time of a handler. */
  async #within(signal: AbortSignal, work: (signal: AbortSignal) => Promise<Reply>): Promise<Reply> {
    const ending = new AbortController();
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(ignore);
    const end = (): void => {
      ending.abort();
      reject(new HttpError('KW_HTTP_TIMEOUT', 'The answer took too long.'));
    };
    const timer = setTimeout(end, this.#options.limits.handlerTimeoutMs);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    try {
      const running = work(ending.signal);
      running.catch(ignore);
      return await Promise.race([running, promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
    }
  }
}

function splitUrl(url: string): readonly [path: string, search: string] {
  const at = url.indexOf('?');
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)];
}

function hasBody({ 'content-length': length, 'transfer-encoding': encoding }: IncomingMessage['headers']): boolean {
  return encoding !== undefined || (length !== undefined && length !== '0');
}

/** Returns whether a header `Accept` names JSON before text. */
function prefersJson(accept: string | undefined): boolean {
  const types = (accept ?? '').split(',').map((each) => each.split(';')[0]?.trim());
  const first = types.find((type) => type === 'application/json' || type === 'text/plain' || type === '*/*');
  return first === 'application/json';
}

function ignore(): void {}
