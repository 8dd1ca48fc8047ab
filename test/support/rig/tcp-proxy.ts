import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

import { type DirectionPlan, FaultLine } from './fault-line.ts';

/** Something that happens to a connection; the bytes that follow in that direction wait until it is over. */
export type WireHappening = (wire: Wire) => void | Promise<void>;

/** What becomes of the bytes of one connection, each direction by itself. */
export interface WirePlan {
  /** From the client to the server. */
  readonly up?: DirectionPlan<WireHappening>;
  /** From the server to the client. */
  readonly down?: DirectionPlan<WireHappening>;
}

/** Both ends get a reset. */
export const wireReset: WireHappening = (wire) => wire.reset();
/** Both ends get a FIN. */
export const wireFin: WireHappening = (wire) => wire.fin();
/** The rest of this direction never arrives, and nobody is told: a half-open connection, a firewall that forgot. */
export const blackHole: WireHappening = () => new Promise(() => undefined);

/** One connection through the proxy. */
export class Wire {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #lines: readonly FaultLine<WireHappening>[];
  #countedBytes = 0;

  constructor(client: Socket, server: Socket, { up = {}, down = {} }: WirePlan) {
    this.#client = client;
    this.#server = server;
    this.#lines = [this.#carry(client, server, up), this.#carry(server, client, down)];
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.setNoDelay(true);
      socket.on('error', () => other.resetAndDestroy());
      socket.on('close', () => {
        if (!other.writableEnded) other.destroy();
      });
    }
  }

  get isOpen(): boolean {
    return !this.#client.destroyed || !this.#server.destroyed;
  }

  /** Something that its plan says is not over yet. */
  get isStalled(): boolean {
    return this.#lines.some(({ isHeld }) => isHeld);
  }

  /** Bytes that have passed, up and down. */
  get passedBytes(): readonly number[] {
    return this.#lines.map(({ passedBytes }) => passedBytes);
  }

  /** Whether nothing has passed since it was last asked. */
  wasIdle(): boolean {
    const bytes = this.passedBytes.reduce((sum, count) => sum + count, 0);
    const isIdle = bytes === this.#countedBytes;
    this.#countedBytes = bytes;
    return isIdle;
  }

  reset(): void {
    this.#close((socket) => socket.resetAndDestroy());
  }

  fin(): void {
    this.#close((socket) => socket.destroySoon());
  }

  #close(how: (socket: Socket) => void): void {
    for (const line of this.#lines) line.close();
    how(this.#client);
    how(this.#server);
  }

  #carry(from: Socket, to: Socket, plan: DirectionPlan<WireHappening>): FaultLine<WireHappening> {
    const line = new FaultLine(plan, {
      pass: (bytes) => written(to, bytes),
      happen: async (happening) => await happening(this),
    });
    void (async () => {
      for await (const chunk of from.iterator({ destroyOnReturn: false })) await line.push(chunk as Buffer);
      to.end();
    })().catch(() => undefined); // The sockets' own events say what became of them.
    return line;
  }
}

/** A TCP proxy on loopback that cuts, stalls, throttles and splits what passes. */
export class TcpProxy {
  readonly wires: Wire[] = [];
  readonly #server: Server;
  readonly #plans: WirePlan[] = [];

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    server.on('connection', (client) => {
      this.wires.push(
        new Wire(
          client,
          connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true }),
          this.#plans.shift() ?? {},
        ),
      );
    });
  }

  static async start(targetPort: number): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, targetPort);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** What becomes of the next connections, in order; those that follow pass unharmed. */
  plan(...plans: readonly WirePlan[]): void {
    this.#plans.push(...plans);
  }

  /** What a load balancer does: it ends, without a word to the other end, what has been idle since the last call; gives how many those were. */
  cutIdle(): number {
    const idle = this.wires.filter((wire) => wire.isOpen && wire.wasIdle());
    for (const wire of idle) wire.reset();
    return idle.length;
  }

  /** Resets the connections of which a part vanishes. */
  resetStalled(): void {
    for (const wire of this.wires) if (wire.isStalled) wire.reset();
  }

  async close(): Promise<void> {
    for (const wire of this.wires) wire.reset();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

async function written(socket: Socket, bytes: Buffer): Promise<void> {
  if (socket.writable) await new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
}
