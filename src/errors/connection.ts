import { KubernetesWorkerError } from './base.ts';

/**
 * The API server, or something before it, refused to open an exec.
 *
 * @public
 */
export class ExecHandshakeFailedError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_EXEC_HANDSHAKE_FAILED';
  /** The HTTP status; undefined where no answer came at all. */
  readonly status: number | undefined;
  /** Kubernetes' word for it, where the answer was a `Status`. */
  readonly reason: string | undefined;

  constructor(
    message: string,
    facts: { status?: number | undefined; reason?: string | undefined; retryable: boolean },
    options?: ErrorOptions,
  ) {
    super(`exec was refused: ${message}`, facts.retryable, options);
    this.status = facts.status;
    this.reason = facts.reason;
  }
}

/**
 * An exec connection ended before the work on it did.
 *
 * @public
 */
export class ExecConnectionLostError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_EXEC_CONNECTION_LOST';
  readonly bytesReceived: number;
  readonly bytesSent: number;

  constructor(detail: string, facts: { bytesReceived: number; bytesSent: number }, options?: ErrorOptions) {
    super(`exec connection lost: ${detail}`, true, options);
    this.bytesReceived = facts.bytesReceived;
    this.bytesSent = facts.bytesSent;
  }
}

/**
 * Nothing came from the other end for so long that the connection was given up.
 *
 * @public
 */
export class HeartbeatTimeoutError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_HEARTBEAT_TIMEOUT';
  readonly silentMs: number;

  constructor(silentMs: number, options?: ErrorOptions) {
    super(`nothing was heard for ${silentMs} ms`, true, options);
    this.silentMs = silentMs;
  }
}

/**
 * The other end said something that the protocol does not allow.
 *
 * @public
 */
export class ProtocolViolationError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_PROTOCOL_VIOLATION';

  constructor(detail: string, options?: ErrorOptions) {
    super(`protocol violation: ${detail}`, false, options);
  }
}

/**
 * The server speaks none of the exec sub-protocols that the library does.
 *
 * @public
 */
export class UnsupportedSubprotocolError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_UNSUPPORTED_SUBPROTOCOL';
  readonly offered: readonly string[];

  constructor(offered: readonly string[], detail: string, options?: ErrorOptions) {
    super(`the server accepts none of ${offered.join(', ')}: ${detail}`, false, options);
    this.offered = offered;
  }
}

/**
 * The agent in the pod does not answer: it is missing, cannot run there, or its container is not up.
 *
 * @public
 */
export class AgentUnavailableError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_AGENT_UNAVAILABLE';
  readonly podName: string;

  constructor(podName: string, detail: string, retryable: boolean, options?: ErrorOptions) {
    super(`no agent in pod ${podName}: ${detail}`, retryable, options);
    this.podName = podName;
  }
}

/**
 * The agent in the pod and this library have no protocol version in common.
 *
 * @public
 */
export class AgentIncompatibleError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_AGENT_INCOMPATIBLE';
  readonly agentProtocol: readonly [number, number];
  readonly libraryProtocol: readonly [number, number];

  constructor(agentProtocol: readonly [number, number], libraryProtocol: readonly [number, number]) {
    super(`the agent speaks protocol ${agentProtocol.join('-')}, this library ${libraryProtocol.join('-')}`, false);
    this.agentProtocol = agentProtocol;
    this.libraryProtocol = libraryProtocol;
  }
}
