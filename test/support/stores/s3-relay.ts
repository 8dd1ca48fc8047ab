import { once } from 'node:events';
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';

/** A request that has arrived completely. */
export interface RelayedRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** An answer of the relay instead of the server. */
export interface RelayAnswer {
  readonly status: number;
  /** The code of the error, such as `SlowDown`. */
  readonly code: string;
}

/**
 * An HTTP relay before an S3 server. It records requests, delays them, and answers some itself. A
 * request that has arrived reaches the server also if its client has gone.
 */
export class S3Relay {
  readonly requests: RelayedRequest[] = [];
  /** Called with each request. What it resolves with is the answer; `undefined`: the server answers. */
  intercept: (request: RelayedRequest) => RelayAnswer | undefined | Promise<RelayAnswer | undefined> = () => undefined;
  /** The number of requests without an answer. */
  pending = 0;
  readonly #server: Server;
  readonly #targetPort: number;

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    this.#targetPort = targetPort;
    server.on('request', (incoming, response) => {
      const serve = async (): Promise<void> => {
        const { method = 'GET', url: path = '/', headers } = incoming;
        const request = { method, path, headers, body: await buffer(incoming) };
        this.requests.push(request);
        const answer = await this.intercept(request);
        if (answer === undefined) await this.#forward(request, response);
        else response.writeHead(answer.status).end(`<Error><Code>${answer.code}</Code></Error>`);
      };
      this.pending += 1;
      // A client that has gone gets no answer.
      void serve()
        .catch(() => response.destroy())
        .finally(() => (this.pending -= 1));
    });
  }

  static async start(targetPort: number): Promise<S3Relay> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new S3Relay(server, targetPort);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #forward({ method, path, headers, body }: RelayedRequest, response: ServerResponse): Promise<void> {
    const { connection: _, expect: __, ...sent } = headers;
    const forwarded = httpRequest({
      host: '127.0.0.1',
      port: this.#targetPort,
      method,
      path,
      headers: { ...sent, connection: 'close' },
    });
    forwarded.end(body);
    const [answer] = await once(forwarded, 'response');
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    await pipeline(answer, response);
  }
}
