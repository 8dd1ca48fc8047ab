import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * A TCP proxy that limits the bytes each second from a client to the server. To the host it acts
 * like a pod that reads slowly.
 */
export class SlowProxy implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(server: Server, sockets: Set<Socket>) {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    this.port = address.port;
    this.#server = server;
    this.#sockets = sockets;
  }

  static async open(
    target: { readonly host: string; readonly port: number },
    mebibytesPerSecond: number,
  ): Promise<SlowProxy> {
    const sockets = new Set<Socket>();
    const server = createServer((client) => {
      const upstream = connect(target);
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
      }
      upstream.pipe(client);
      void passSlowly(client, upstream, mebibytesPerSecond * 1024 * 1024);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new SlowProxy(server, sockets);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

async function passSlowly(from: Socket, to: Socket, bytesPerSecond: number): Promise<void> {
  let credit = performance.now();
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      if (!to.write(chunk)) await once(to, 'drain');
      credit = Math.max(credit, performance.now() - 100) + (chunk.byteLength / bytesPerSecond) * 1000;
      const early = credit - performance.now();
      if (early > 1) await sleep(early);
    }
    to.end();
  } catch {
    to.destroy();
  }
}
