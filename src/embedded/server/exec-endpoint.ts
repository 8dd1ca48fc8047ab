import { randomBytes } from 'node:crypto';
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { ExecSpec, RunningContainer } from '../isolation/container-runtime.ts';
import type { PodRunner } from '../kubelet/pod-runner.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { type ApiError, badRequest } from '../objects/status.ts';
import { failureStatus } from './channel-codec.ts';
import { ExecSession } from './exec-session.ts';
import type { FaultSet } from './faults.ts';
import { FaultySocket } from './faulty-wire.ts';
import { findNamedContainer } from './named-container.ts';
import { isTrue, type RequestInfo, type ResourceTarget } from './request-info.ts';

const protocols = { v5: 'v5.channel.k8s.io', v4: 'v4.channel.k8s.io' } as const;
/** A longer message closes the connection, as on the real server. */
const maxMessageBytes = 32 * 1024 * 1024;
const noStreamMessage = 'you must specify at least 1 of stdin, stdout, stderr';

interface ExecEndpointOptions {
  readonly store: ObjectStore;
  readonly runner: PodRunner;
  /** Whether terminals are available. */
  readonly terminals: boolean;
}

interface ExecRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly info: RequestInfo;
  readonly target: ResourceTarget;
  readonly faults: FaultSet;
}

/**
 * Serves `pods/exec` over WebSocket in `v5.channel.k8s.io` and `v4.channel.k8s.io`, each with the
 * responses of the real server.
 */
export class ExecEndpoint {
  readonly #options: ExecEndpointOptions;
  readonly #server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
    handleProtocols: (offered) => (offered.has(protocols.v5) ? protocols.v5 : protocols.v4),
  });

  constructor(options: ExecEndpointOptions) {
    this.#options = options;
  }

  /** @throws ApiError for a request that is refused before the upgrade */
  serve(exec: ExecRequest): void {
    const { store, runner } = this.#options;
    const { query } = exec.info;
    const { pod, container } = findNamedContainer(store, exec.target, query);
    if (!pod.spec.nodeName) throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
    const offered = new Set(
      (exec.request.headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim()),
    );
    const version = offered.has(protocols.v5) ? 5 : offered.has(protocols.v4) ? 4 : undefined;
    if (version === undefined) return refuseUpgrade(exec.socket, 403, '');
    const spec = execSpec(query);
    const running = runner.container(pod, container)?.running;
    const problem = this.#problem(spec, running, container);
    if (problem !== undefined && version === 4) return refuseUpgrade(exec.socket, problem.code, problem.message);
    const wire = exec.faults.onTheWire ? new FaultySocket(exec.socket, exec.faults) : exec.socket;
    this.#server.handleUpgrade(exec.request, wire, exec.head, (socket) => {
      if (wire instanceof FaultySocket) wire.arm();
      const session = new ExecSession({
        socket,
        version,
        spec,
        execId: randomBytes(32).toString('hex'),
        faults: exec.faults,
      });
      if (problem !== undefined || running === undefined)
        session.finish(failureStatus(`unable to upgrade connection: ${problem?.message ?? ''}`));
      else if (spec.tty && !this.#options.terminals)
        session.finish(failureStatus('a TTY needs the program script (util-linux) on this machine'));
      else
        running.exec(spec).then(
          (process) => session.attach(process),
          (error: unknown) => session.finish(failureStatus(String(error))),
        );
    });
  }

  /** Returns the kubelet's error to the API server. With v5 the client gets it as a status. */
  #problem(
    spec: ExecSpec,
    running: RunningContainer | undefined,
    container: string,
  ): { code: number; message: string } | undefined {
    if (!spec.stdin && !spec.stdout && !spec.stderr) return { code: 400, message: noStreamMessage };
    return running === undefined ? { code: 500, message: `container not found ("${container}")` } : undefined;
  }
}

function execSpec(query: URLSearchParams): ExecSpec {
  const tty = isTrue(query.get('tty'));
  return {
    command: query.getAll('command'),
    stdin: isTrue(query.get('stdin')),
    stdout: isTrue(query.get('stdout')),
    stderr: isTrue(query.get('stderr')) && !tty,
    tty,
  };
}

/** Responds to an upgrade with plain HTTP and closes the connection. */
function refuseUpgrade(socket: Duplex, code: number, body: string, contentType = 'text/plain; charset=utf-8'): void {
  const head = [
    `HTTP/1.1 ${code} ${STATUS_CODES[code] ?? ''}`,
    `Content-Type: ${contentType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    '',
  ];
  socket.end(head.join('\r\n') + body);
}

/** Responds to an upgrade with a Status body and closes the connection. */
export function refuseUpgradeWith(socket: Duplex, error: ApiError): void {
  refuseUpgrade(socket, error.code, JSON.stringify(error.body), 'application/json');
}
