import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A TCP connection that sends any bytes to an HTTP server. */
export class RawClient implements AsyncDisposable {
  readonly socket: Socket;
  #received = '';
  #isClosed = false;
  #changed = Promise.withResolvers<void>();

  /** Resolves when the connection is open. */
  static async open(url: string): Promise<RawClient> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    const client = new RawClient(socket);
    await once(socket, 'connect');
    return client;
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    const notify = (): void => {
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    };
    const over = (): void => {
      this.#isClosed = true;
      notify();
    };
    socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1');
      notify();
    });
    socket.on('end', over).on('close', over).on('error', over);
  }

  /** Everything that the server has sent. */
  get received(): string {
    return this.#received;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The status codes of all responses so far. */
  get statuses(): readonly number[] {
    return [...this.#received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  }

  send(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  /** Sends a request with the header `Host`. */
  get(target: string, headers: Readonly<Record<string, string>> = {}): this {
    const lines = Object.entries({ Host: '127.0.0.1', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    return this.send(`GET ${target} HTTP/1.1\r\n${lines.join('')}\r\n`);
  }

  /** Resolves when the condition is true, or with `false` when the server has closed the connection. */
  async until(condition: () => boolean): Promise<boolean> {
    while (!condition()) {
      if (this.#isClosed) return false;
      await this.#changed.promise;
    }
    return true;
  }

  /** Resolves when the server has closed the connection. */
  async closed(): Promise<void> {
    await this.until(() => this.#isClosed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
  }
}
