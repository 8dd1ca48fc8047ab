import { AgentClient, type AgentClientOptions } from '../agent-client/agent-client.ts';
import type { ByteConnection } from '../agent-client/session/byte-connection.ts';
import type { ConnectionLimits } from '../agent-client/session/connection-limits.ts';
import { ClosedError } from '../errors/caller.ts';
import { ExecConnectionLostError } from '../errors/connection.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { TransferObserver } from '../runtime/transfer-report.ts';

export interface AgentPoolComponents {
  /** Opens a connection to the agent in the pod of this handle. */
  readonly connect: (podName: string, options: ConnectOptions) => Promise<ByteConnection>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Shared by all pods. */
  readonly limits: ConnectionLimits;
  readonly transferEnded: TransferObserver;
  readonly options: AgentClientOptions;
}

export interface ConnectOptions extends AbortOptions {
  /** The handle of the container, or of the volume with its own pod. */
  readonly handle: string;
}

interface PooledClient {
  readonly podName: string;
  readonly client: AgentClient;
}

/**
 * How long a client may be idle before it is evicted. The pool does not learn of pods that other
 * hosts reap.
 */
const keepIdleMs = 600_000;

/** Keeps one client per pod. Each client closes its own idle connections after a while. */
export class AgentPool {
  readonly #components: AgentPoolComponents;
  /** By the pod's name and its handle: a pod name that a host has chosen may be used again. */
  readonly #clients = new Map<string, PooledClient>();
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
   * @param handle - the handle of the container, or of the volume with its own pod
   * @throws ClosedError
   */
  client(podName: string, handle: string): AgentClient {
    if (this.#closed) throw new ClosedError('worker');
    const key = `${podName} ${handle}`;
    const existing = this.#clients.get(key);
    if (existing !== undefined) return existing.client;
    this.#evict();
    const { connect, ...shared } = this.#components;
    const connectToPod = (options: AbortOptions): Promise<ByteConnection> => connect(podName, { ...options, handle });
    const client = new AgentClient({ ...shared, connect: connectToPod, podName, handle });
    this.#clients.set(key, { podName, client });
    return client;
  }

  /**
   * Closes the client of a pod that is being deleted. Calls in progress then check the pod's state
   * again.
   */
  forget(podName: string): void {
    for (const [key, pooled] of this.#clients) {
      if (pooled.podName === podName) this.#drop(key, lost('the pod is being deleted'));
    }
  }

  /** Closes all clients. Later calls of `client` throw `ClosedError`. */
  close(): void {
    this.#closed = true;
    for (const key of this.#clients.keys()) this.#drop(key, new ClosedError('worker'));
  }

  /**
   * Evicts idle clients. Runs before each new client, so that clients do not accumulate and no
   * timer is needed.
   */
  #evict(): void {
    const before = this.#components.clock.now() - keepIdleMs;
    for (const [key, { client }] of this.#clients) {
      const { idleSince } = client;
      if (idleSince !== undefined && idleSince <= before) this.#drop(key, lost('the client was idle for too long'));
    }
  }

  #drop(key: string, reason: Error): void {
    const pooled = this.#clients.get(key);
    this.#clients.delete(key);
    pooled?.client.close(reason);
  }
}

/** Returns a retryable error: the next attempt gets a new client. */
function lost(detail: string): ExecConnectionLostError {
  return new ExecConnectionLostError(detail, { bytesReceived: 0, bytesSent: 0 });
}
