import { KubernetesWorkerError } from './base.ts';

/**
 * Thrown if the API server, or a proxy before it, refuses to open an exec.
 *
 * @public
 */
export class ExecHandshakeFailedError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_EXEC_HANDSHAKE_FAILED';
  /** The HTTP status. `undefined` if no response arrived. */
  readonly status: number | undefined;
  /** The reason that Kubernetes reports, if the response is a `Status`. */
  readonly reason: string | undefined;

  constructor(
    message: string,
    facts: { status?: number | undefined; reason?: string | undefined; retryable: boolean },
    options?: ErrorOptions,
  ) {
    super(`cannot open an exec: ${message}`, facts.retryable, options);
    this.status = facts.status;
    this.reason = facts.reason;
  }
}

/**
 * Thrown if an exec connection ends before the work on it does.
 *
 * @public
 */
export class ExecConnectionLostError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_EXEC_CONNECTION_LOST';
  /** The number of bytes that the connection has received. */
  readonly bytesReceived: number;
  /** The number of bytes that the connection has sent. */
  readonly bytesSent: number;

  constructor(detail: string, facts: { bytesReceived: number; bytesSent: number }, options?: ErrorOptions) {
    const { bytesReceived, bytesSent } = facts;
    super(`exec connection lost (${bytesReceived} bytes received, ${bytesSent} bytes sent): ${detail}`, true, options);
    this.bytesReceived = bytesReceived;
    this.bytesSent = bytesSent;
  }
}

/**
 * Thrown if the other end of a connection stays silent for so long that the library closes the
 * connection.
 *
 * @public
 */
export class HeartbeatTimeoutError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_HEARTBEAT_TIMEOUT';
  /** How long nothing was received, in milliseconds. */
  readonly silentMs: number;

  constructor(silentMs: number, options?: ErrorOptions) {
    super(`connection closed: nothing received for ${silentMs} ms`, true, options);
    this.silentMs = silentMs;
  }
}

/**
 * Thrown if the other end sends what the protocol does not allow.
 *
 * @public
 */
export class ProtocolViolationError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_PROTOCOL_VIOLATION';

  constructor(detail: string, options?: ErrorOptions) {
    super(`protocol violation: ${detail}`, false, options);
  }
}

/**
 * Thrown if the server supports none of the exec protocols that the library offers.
 *
 * @public
 */
export class UnsupportedSubprotocolError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_UNSUPPORTED_SUBPROTOCOL';
  /** The names of the protocols that the library has offered. */
  readonly offered: readonly string[];

  constructor(offered: readonly string[], detail: string, options?: ErrorOptions) {
    super(`the server accepts none of the exec protocols ${offered.join(', ')}: ${detail}`, false, options);
    this.offered = offered;
  }
}

/**
 * Thrown if the agent in the pod does not respond: it is missing, it cannot run there, or its
 * Kubernetes container is not running.
 *
 * @public
 */
export class AgentUnavailableError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_AGENT_UNAVAILABLE';
  /** The name of the pod. */
  readonly podName: string;

  constructor(podName: string, detail: string, retryable: boolean, options?: ErrorOptions) {
    super(`the agent in pod ${podName} is unavailable: ${detail}`, retryable, options);
    this.podName = podName;
  }
}

/**
 * Thrown if the agent in the pod and this library have no protocol version in common.
 *
 * @public
 */
export class AgentIncompatibleError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_AGENT_INCOMPATIBLE';
  /** The oldest and the newest protocol version that the agent supports. */
  readonly agentProtocol: readonly [number, number];
  /** The oldest and the newest protocol version that this library supports. */
  readonly libraryProtocol: readonly [number, number];

  constructor(agentProtocol: readonly [number, number], libraryProtocol: readonly [number, number]) {
    super(
      `the agent supports protocol versions ${agentProtocol.join(' to ')}, this library ${libraryProtocol.join(' to ')}: ` +
        "use a library version that supports one of the agent's protocol versions, or create a new container",
      false,
    );
    this.agentProtocol = agentProtocol;
    this.libraryProtocol = libraryProtocol;
  }
}
