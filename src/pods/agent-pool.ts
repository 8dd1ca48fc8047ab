import { AgentClient, type AgentClientOptions } from '../agent-client/agent-client.ts';
import type { ByteConnection } from '../agent-client/session/byte-connection.ts';
import type { ConnectionLimits } from '../agent-client/session/connection-limits.ts';
import { ClosedError } from '../errors/caller.ts';
import { ExecConnectionLostError } from '../errors/connection.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { TransferObserver } from '../runtime/transfer-report.ts';

export interface AgentPoolComponents {
  /** Opens a connection to the agent in a pod. */
  readonly connect: (podName: string, options: AbortOptions) => Promise<ByteConnection>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Shared by all pods. */
  readonly limits: ConnectionLimits;
  readonly transferEnded: TransferObserver;
  readonly options: AgentClientOptions;
}

/**
 * How long a client may be idle before it is evicted. The pool does not learn of pods that other
 * hosts reap.
 */
const keepIdleMs = 600_000;

/** Keeps one client per pod. Each client closes its own idle connections after a while. */
export class AgentPool {
  readonly #components: AgentPoolComponents;
  readonly #clients = new Map<string, AgentClient>();
  #closed = false;

  constructor(components: AgentPoolComponents) {
    this.#components = components;
  }

  /** The number of pods with a client. */
  get size(): number {
    return this.#clients.size;
  }

  /**
   * Returns the pod's client, which is created at the first call.
   *
   * @param handle - the handle of the container, or of the volume with its own pod, for error
   *   messages
   * @throws ClosedError
   */
  client(podName: string, handle: string): AgentClient {
    if (this.#closed) throw new ClosedError('worker');
    const existing = this.#clients.get(podName);
    if (existing !== undefined) return existing;
    this.#evict();
    const { connect, ...shared } = this.#components;
    const client = new AgentClient({ ...shared, connect: (options) => connect(podName, options), podName, handle });
    this.#clients.set(podName, client);
    return client;
  }

  /**
   * Closes the client of a pod that is being deleted. Calls in progress then check the pod's state
   * again.
   */
  forget(podName: string): void {
    this.#drop(podName, lost('the pod is being deleted'));
  }

  /** Closes all clients. Later calls of `client` throw `ClosedError`. */
  close(): void {
    this.#closed = true;
    for (const podName of [...this.#clients.keys()]) this.#drop(podName, new ClosedError('worker'));
  }

  /**
   * Evicts idle clients. Runs before each new client, so that clients do not accumulate and no
   * timer is needed.
   */
  #evict(): void {
    const before = this.#components.clock.now() - keepIdleMs;
    for (const [podName, { idleSince }] of this.#clients) {
      if (idleSince !== undefined && idleSince <= before) this.#drop(podName, lost('the client was idle for too long'));
    }
  }

  #drop(podName: string, reason: Error): void {
    const client = this.#clients.get(podName);
    this.#clients.delete(podName);
    client?.close(reason);
  }
}

/** Returns a retryable error: the next attempt gets a new client. */
function lost(detail: string): ExecConnectionLostError {
  return new ExecConnectionLostError(detail, { bytesReceived: 0, bytesSent: 0 });
}
