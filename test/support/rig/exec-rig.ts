import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

import type { KubeConfig } from '@kubernetes/client-node';

import { createCertificates } from '../../../src/embedded/server/certificates.ts';
import { agentBinary } from '../agent/agent-process.ts';
import { failure, kubeConfigFor } from '../api-server.ts';
import { httpAnswer } from '../websocket-frames.ts';
import type { ExecPlan, Happening } from './exec-plan.ts';
import { type Command, type ExecRequest, RigExec } from './rig-exec.ts';

/** An API server and a kubelet for execs only. Behaves as the Go ones, except for its plans. */
export class ExecRig {
  /** Every started exec, in order. */
  readonly execs: RigExec[] = [];
  /** The token of each request, in order. */
  readonly tokens: string[] = [];
  /** The agents' state directories, by pod name. */
  readonly pods = new Map<string, string>();
  /** Returns the plan of an exec when the queue of plans is empty. */
  planFor: (podName: string) => ExecPlan = () => ({});
  readonly #server: Server;
  readonly #isTls: boolean;
  readonly #sockets = new Map<string, Socket>();
  readonly #plans: ExecPlan[] = [];
  readonly #arrivals = new Set<() => void>();

  private constructor(server: Server, isTls: boolean) {
    this.#server = server;
    this.#isTls = isTls;
    server.on('connection', (socket: Socket) => {
      const from = String(socket.remotePort);
      socket.on('error', () => undefined);
      this.#sockets.set(from, socket);
      socket.on('close', () => this.#sockets.delete(from));
    });
    server.on(
      'upgrade',
      (request: IncomingMessage, socket: Socket, head: Buffer) => void this.#onUpgrade(request, socket, head),
    );
  }

  static async start({ tls = false }: { readonly tls?: boolean } = {}): Promise<ExecRig> {
    const { server: identity } = tls ? createCertificates(new Date()) : { server: undefined };
    const server =
      identity === undefined
        ? createServer()
        : createTlsServer({ cert: identity.certificate, key: identity.privateKey });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ExecRig(server, tls);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The URL, optionally with the port of a proxy. */
  url(port: number = this.port): string {
    return `${this.#isTls ? 'https' : 'http'}://127.0.0.1:${String(port)}`;
  }

  kubeConfig(port?: number): KubeConfig {
    return kubeConfigFor(this.url(port));
  }

  /** The number of open TCP connections. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Queues the plans of the next execs. Later execs use `planFor`. */
  plan(...plans: readonly ExecPlan[]): void {
    this.#plans.push(...plans);
  }

  get plansLeft(): number {
    return this.#plans.length;
  }

  get openExecs(): readonly RigExec[] {
    return this.execs.filter(({ isOpen }) => isOpen);
  }

  /** Resolves with the exec of this number when it has started; the first is 0. */
  async exec(number: number): Promise<RigExec> {
    for (;;) {
      const exec = this.execs[number];
      if (exec !== undefined) return exec;
      await new Promise<void>((resolve) => this.#arrivals.add(resolve));
    }
  }

  /** Applies an event to every open exec. */
  async all(happening: Happening): Promise<void> {
    for (const exec of this.openExecs) await happening(exec);
  }

  /** Waits until all started execs have neither a connection nor a command, and removes them. */
  async quiet(): Promise<void> {
    await Promise.all(this.execs.map(({ over }) => over));
    this.execs.length = 0;
    this.tokens.length = 0;
  }

  async close(): Promise<void> {
    for (const exec of this.execs) exec.destroy();
    for (const socket of this.#sockets.values()) socket.destroy();
    await Promise.all(this.execs.map(({ over }) => over));
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    socket.on('error', () => undefined);
    this.tokens.push(request.headers.authorization?.replace('Bearer ', '') ?? '');
    const url = new URL(request.url ?? '', this.url());
    const podName = /\/pods\/([^/]+)\/exec$/.exec(url.pathname)?.[1] ?? '';
    const plan = this.#plans.shift() ?? this.planFor(podName);
    const folder = this.pods.get(podName);
    const { refuse } = plan;
    if (refuse !== undefined) socket.end(httpAnswer(refuse.status, refuse.body ?? '', refuse.headers));
    else if (folder === undefined)
      socket.end(httpAnswer(404, JSON.stringify(failure(404, 'NotFound', `pods "${podName}" not found`))));
    else
      await this.#begin({ podName, request, socket, head, reset: () => this.#reset(socket) }, plan, () =>
        run(url.searchParams.getAll('command'), folder),
      );
  }

  async #begin(request: ExecRequest, plan: ExecPlan, command: () => Command): Promise<void> {
    if (plan.insteadOfAnswer !== undefined) {
      await plan.insteadOfAnswer(request.reset);
      return;
    }
    this.execs.push(new RigExec(request, plan, command));
    const arrivals = [...this.#arrivals];
    this.#arrivals.clear();
    for (const arrived of arrivals) arrived();
  }

  #reset(socket: Socket): void {
    this.#sockets.get(String(socket.remotePort))?.resetAndDestroy();
    socket.destroy();
  }
}

/** Runs the agent of the pod's folder, or any other command unchanged. */
function run(command: readonly string[], folder: string): Command {
  const [program = '', ...args] = command[1] === 'connect' ? [agentBinary(), 'connect', folder] : command;
  return spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
}
