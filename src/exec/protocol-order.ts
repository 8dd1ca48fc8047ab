/**
 * What carries an exec: SPDY, or a sub-protocol of WebSocket.
 *
 * @public
 */
export type ExecProtocol = 'SPDY/3.1' | 'v4.channel.k8s.io' | 'v5.channel.k8s.io';

/**
 * Ordered by speed (ADR 11): the API server passes the first two through unread, and SPDY costs the
 * container runtime less than half of WebSocket.
 */
export const execProtocols: readonly ExecProtocol[] = ['SPDY/3.1', 'v4.channel.k8s.io', 'v5.channel.k8s.io'];

/**
 * The protocols of a cluster's execs, in the order of the attempts. Shared by all connections of a
 * worker.
 */
export class ProtocolOrder {
  #names: readonly ExecProtocol[];
  #isProven = false;

  constructor(names: readonly ExecProtocol[]) {
    this.#names = names;
  }

  get names(): readonly ExecProtocol[] {
    return this.#names;
  }

  /**
   * Records that data has arrived over a protocol. From now on, the first proven protocol is tried
   * first.
   */
  prove(name: ExecProtocol): void {
    if (this.#isProven) return;
    this.#isProven = true;
    if (this.#names[0] !== name) this.#names = [name, ...this.#without(name)];
  }

  /**
   * Records that no data arrived over a protocol, for example because a proxy accepts the upgrade
   * and then holds the bytes. As long as no protocol is proven, this one is tried last.
   */
  doubt(name: ExecProtocol): void {
    if (!this.#isProven) this.#names = [...this.#without(name), name];
  }

  #without(name: ExecProtocol): readonly ExecProtocol[] {
    return this.#names.filter((each) => each !== name);
  }
}
