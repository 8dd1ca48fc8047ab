import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** How a proxy treats a connection. */
export type ProxyManner = 'forward' | 'silent' | 'silent-tunnel' | 'refuse';

/**
 * A proxy for HTTP (CONNECT and absolute URLs) and SOCKS 5. Connects every host to one port of this
 * machine, or misbehaves.
 */
export class TestProxy {
  /** The requested authorities, in order. */
  readonly targets: string[] = [];
  /** The first line and the headers of each HTTP request. */
  readonly heads: string[] = [];
  manner: ProxyManner = 'forward';
  readonly #port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.#port = port;
    server.on('connection', (socket) => this.#serve(this.#keep(socket)));
  }

  static async start(port: number): Promise<TestProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TestProxy(server, port);
  }

  get authority(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The number of open connections, on both sides. */
  get connections(): number {
    return this.#sockets.size;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    return socket;
  }

  #serve(client: Socket): void {
    let received = Buffer.alloc(0);
    const take = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      if (this.manner === 'silent') return;
      if (received[0] === 5) this.#socks(client, received, take).catch(() => client.destroy());
      else this.#http(client, received, take);
    };
    client.on('data', take);
  }

  #http(client: Socket, received: Buffer, take: (chunk: Buffer) => void): void {
    const end = received.indexOf('\r\n\r\n');
    if (end < 0) return;
    client.off('data', take);
    const head = received.subarray(0, end).toString();
    this.heads.push(head);
    const [method = '', target = ''] = head.split(' ');
    this.targets.push(method === 'CONNECT' ? target : new URL(target).host);
    if (this.manner === 'refuse') client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    else if (method === 'CONNECT')
      this.#tunnel(client, Buffer.from('HTTP/1.1 200 Connection established\r\n\r\n'), received.subarray(end + 4));
    else
      this.#tunnel(
        client,
        Buffer.alloc(0),
        Buffer.from(received.toString('latin1').replace(target, pathOf(target)), 'latin1'),
      );
  }

  async #socks(client: Socket, greeting: Buffer, take: (chunk: Buffer) => void): Promise<void> {
    client.off('data', take);
    const wantsPassword = greeting.subarray(2).includes(2);
    client.write(Buffer.from([5, wantsPassword ? 2 : 0]));
    if (wantsPassword) {
      const [login] = (await once(client, 'data')) as [Buffer];
      const nameBytes = login[1] ?? 0;
      this.heads.push(`${login.subarray(2, 2 + nameBytes).toString()}:${login.subarray(3 + nameBytes).toString()}`);
      client.write(Buffer.from([1, 0]));
    }
    const [request] = (await once(client, 'data')) as [Buffer];
    const length = request[4] ?? 0;
    const host = request[3] === 3 ? request.subarray(5, 5 + length).toString() : [...request.subarray(4, 8)].join('.');
    this.targets.push(`${host}:${request.readUInt16BE(request.byteLength - 2)}`);
    if (this.manner === 'refuse') client.end(Buffer.from([5, 2, 0, 1, 0, 0, 0, 0, 0, 0]));
    else this.#tunnel(client, Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]), Buffer.alloc(0));
  }

  #tunnel(client: Socket, answer: Buffer, first: Buffer): void {
    client.write(answer);
    if (this.manner === 'silent-tunnel') {
      client.resume();
      return;
    }
    const server = this.#keep(connect(this.#port, '127.0.0.1'));
    server.write(first);
    client.pipe(server);
    server.pipe(client);
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  }
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url);
  return `${pathname}${search}`;
}
