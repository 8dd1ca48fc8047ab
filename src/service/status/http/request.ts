/** What a handler receives of a request. */
export interface StatusRequest {
  /** The parameters of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Whether the client prefers JSON to text (`Accept`). */
  readonly prefersJson: boolean;
  /** Aborts when the client has disconnected, and when the time until the response begins is over. */
  readonly signal: AbortSignal;
}

/** The content of a response. A stream begins when it is called, and ends when its signal aborts. */
export type Content =
  | { readonly json: unknown }
  | { readonly text: string; readonly type?: string | undefined }
  | { readonly stream: (signal: AbortSignal) => AsyncIterable<Uint8Array>; readonly type: string };

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly content: Content;
}

/** Returns the response to a request, or throws. A test calls it without a server. */
export type Handler = (request: StatusRequest) => Reply | Promise<Reply>;

/** A path that the server answers. */
export interface Route {
  /** The path, such as `/api/v1/containers/{handle}`. A parameter is one segment. */
  readonly path: string;
  /** `open`: needs no token and no place among the requests that run at once. */
  readonly access: 'open' | 'guarded';
  readonly handler: Handler;
}

/** The facts of a request that decide whether it is allowed. */
export interface Credentials {
  /** The header `Authorization`. */
  readonly authorization: string | undefined;
  /** The header `Host`. */
  readonly host: string | undefined;
}

/** Resolves if a request is allowed; otherwise throws an `HttpError`. */
export type Authorize = (credentials: Credentials, signal: AbortSignal) => Promise<void>;

/** Returns a response with a JSON body. */
export function json(value: unknown, status = 200): Reply {
  return { status, content: { json: value } };
}
