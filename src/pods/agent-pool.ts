import { AgentClient, type AgentClientOptions } from '../agent-client/agent-client.ts';
import type { ByteConnection } from '../agent-client/session/byte-connection.ts';
import type { ConnectionLimits } from '../agent-client/session/connection-limits.ts';
import { ClosedError } from '../errors/caller.ts';
import { ExecConnectionLostError } from '../errors/connection.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { TransferObserver } from '../runtime/transfer-report.ts';

/** What the pool needs. */
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

/** Pods that were reaped by another host are not heard of here: their clients go when they were idle for so long. */
const keepIdleMs = 600_000;

/** One client per pod; each keeps its idle connections for a while by itself. */
export class AgentPool {
  readonly #components: AgentPoolComponents;
  readonly #clients = new Map<string, AgentClient>();
  #closed = false;

  constructor(components: AgentPoolComponents) {
    this.#components = components;
  }

  /** How many pods have a client. */
  get size(): number {
    return this.#clients.size;
  }

  /**
   * @param handle - the container's, or of the volume that has the pod to itself: for errors
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

  /** The pod is going: closes what is open to it. Whoever works with it finds out anew what became of the pod. */
  forget(podName: string): void {
    this.#drop(podName, lost('the pod is going'));
  }

  close(): void {
    this.#closed = true;
    for (const podName of [...this.#clients.keys()]) this.#drop(podName, new ClosedError('worker'));
  }

  /** Each new client is a reason to look for those that are not needed any more: so they never pile up, and no timer runs. */
  #evict(): void {
    const before = this.#components.clock.now() - keepIdleMs;
    for (const [podName, { idleSince }] of this.#clients) {
      if (idleSince !== undefined && idleSince <= before) this.#drop(podName, lost('nothing has used it for long'));
    }
  }

  #drop(podName: string, reason: Error): void {
    const client = this.#clients.get(podName);
    this.#clients.delete(podName);
    client?.close(reason);
  }
}

/** Retryable: the next attempt takes a new client. */
function lost(detail: string): ExecConnectionLostError {
  return new ExecConnectionLostError(detail, { bytesReceived: 0, bytesSent: 0 });
}
