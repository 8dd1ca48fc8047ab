import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';

/** A server on loopback that accepts connections and never answers. */
export class SilentServer implements AsyncDisposable {
  readonly port: number;
  /** Resolves when something has connected. */
  readonly connected: Promise<unknown>;
  readonly #server: Server;
  readonly #sockets: ReadonlySet<Socket>;

  private constructor(server: Server, port: number, sockets: ReadonlySet<Socket>) {
    this.port = port;
    this.connected = once(server, 'connection');
    this.#server = server;
    this.#sockets = sockets;
  }

  static async start(): Promise<SilentServer> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).resume();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the server has no port');
    return new SilentServer(server, address.port, sockets);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
