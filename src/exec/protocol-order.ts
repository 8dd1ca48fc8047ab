/**
 * What an exec goes over: SPDY, or a sub-protocol of WebSocket.
 *
 * @public
 */
export type ExecProtocol = 'SPDY/3.1' | 'v4.channel.k8s.io' | 'v5.channel.k8s.io';

/** By their speed (ADR 11): the API server passes the first two through unread, and the container runtime takes SPDY apart at less than half the cost of WebSocket. */
export const execProtocols: readonly ExecProtocol[] = ['SPDY/3.1', 'v4.channel.k8s.io', 'v5.channel.k8s.io'];

/** The protocols of a cluster's execs, in the order in which they are tried. Shared by all of a worker's connections. */
export class ProtocolOrder {
  #names: readonly ExecProtocol[];
  #isProven = false;

  constructor(names: readonly ExecProtocol[]) {
    this.#names = names;
  }

  get names(): readonly ExecProtocol[] {
    return this.#names;
  }

  /** Something came over it: if it is the first, it is tried first from now on. */
  prove(name: ExecProtocol): void {
    if (this.#isProven) return;
    this.#isProven = true;
    if (this.#names[0] !== name) this.#names = [name, ...this.#without(name)];
  }

  /** Nothing came over it, as where a proxy lets it begin and then keeps its bytes: as long as none is proven, it is tried last. */
  doubt(name: ExecProtocol): void {
    if (!this.#isProven) this.#names = [...this.#without(name), name];
  }

  #without(name: ExecProtocol): readonly ExecProtocol[] {
    return this.#names.filter((each) => each !== name);
  }
}
