import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

import { type DirectionPlan, FaultLine } from './fault-line.ts';

/** An event of a connection. Later bytes of its direction wait until it resolves. */
export type WireHappening = (wire: Wire) => void | Promise<void>;

/** The faults of one connection, by direction. */
export interface WirePlan {
  /** From the client to the server. */
  readonly up?: DirectionPlan<WireHappening>;
  /** From the server to the client. */
  readonly down?: DirectionPlan<WireHappening>;
}

/** Sends a reset to both ends. */
export const wireReset: WireHappening = (wire) => wire.reset();
/** Sends a FIN to both ends. */
export const wireFin: WireHappening = (wire) => wire.fin();
/**
 * Discards the rest of this direction without an error: a half-open connection, or a firewall that
 * has dropped its state.
 */
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

  /** Whether an event of its plan is pending. */
  get isStalled(): boolean {
    return this.#lines.some(({ isHeld }) => isHeld);
  }

  /** The numbers of passed bytes, up and down. */
  get passedBytes(): readonly number[] {
    return this.#lines.map(({ passedBytes }) => passedBytes);
  }

  /** Whether no bytes have passed since the last call. */
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
    })().catch(() => undefined); // The sockets' own events report errors.
    return line;
  }
}

/** A TCP proxy on loopback that cuts, stalls, throttles and splits streams. */
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

  /** Listens on the port, by default on a free one. */
  static async start(targetPort: number, port = 0): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, targetPort);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** How many bytes the server has sent over all connections since the last `renew`. */
  get sentBytes(): number {
    return this.wires.reduce((sum, { passedBytes }) => sum + (passedBytes[1] ?? 0), 0);
  }

  /** Queues the plans of the next connections. Later connections pass without faults. */
  plan(...plans: readonly WirePlan[]): void {
    this.#plans.push(...plans);
  }

  /** Resets all connections, and replaces the plans that are queued. */
  renew(...plans: readonly WirePlan[]): void {
    for (const wire of this.wires.splice(0)) wire.reset();
    this.#plans.splice(0, Number.POSITIVE_INFINITY, ...plans);
  }

  /**
   * Resets the connections that have been idle since the last call, as a load balancer does.
   * Returns their number.
   */
  cutIdle(): number {
    const idle = this.wires.filter((wire) => wire.isOpen && wire.wasIdle());
    for (const wire of idle) wire.reset();
    return idle.length;
  }

  /** Resets the connections with a pending event. */
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
