import { subscribe, unsubscribe } from 'node:diagnostics_channel';

/** Counts the requests of this process to API servers. Dispose it to stop counting. */
export class RequestCount implements Disposable {
  all = 0;
  execs = 0;
  watches = 0;

  constructor() {
    // Calls go over undici, execs over an upgraded connection.
    subscribe('undici:request:create', this.#onRequest);
    subscribe('http.client.request.start', this.#onRequest);
  }

  [Symbol.dispose](): void {
    unsubscribe('undici:request:create', this.#onRequest);
    unsubscribe('http.client.request.start', this.#onRequest);
  }

  readonly #onRequest = (message: unknown): void => {
    const { path } = (message as { readonly request: { readonly path: string } }).request;
    this.all += 1;
    if (/\/exec\?/.test(path)) this.execs += 1;
    if (path.includes('watch=true')) this.watches += 1;
  };
}
