import { subscribe, unsubscribe } from 'node:diagnostics_channel';

/** A request to an API server. */
export interface RecordedRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
}

// Calls go over undici, execs over an upgraded connection.
const channels = ['undici:request:create', 'http.client.request.start'];

/** Records the requests of this process to API servers. Dispose it to stop recording. */
export class RequestRecorder implements Disposable {
  readonly requests: RecordedRequest[] = [];

  constructor() {
    for (const channel of channels) subscribe(channel, this.#onRequest);
  }

  [Symbol.dispose](): void {
    for (const channel of channels) unsubscribe(channel, this.#onRequest);
  }

  readonly #onRequest = (message: unknown): void => {
    const { method, path } = (message as { readonly request: RecordedRequest }).request;
    this.requests.push({ method, path });
  };
}
