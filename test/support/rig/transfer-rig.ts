import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';

import { AgentClient, type AgentClientOptions } from '../../../src/agent-client/agent-client.ts';
import type { ConnectionLimits } from '../../../src/agent-client/session/connection-limits.ts';
import { type OpenExecOptions, openExec } from '../../../src/exec/open-exec.ts';
import { type ExecProtocol, execProtocols, ProtocolOrder } from '../../../src/exec/protocol-order.ts';
import { systemClock } from '../../../src/internal/system-clock.ts';
import { ClientNodeCluster } from '../../../src/kubernetes/api/client-node-cluster.ts';
import type { GrantedCalls } from '../../../src/kubernetes/granted-calls.ts';
import { agentConnectCommand, mainContainerName } from '../../../src/kubernetes/pod-spec/pod-spec.ts';
import { connectByExec } from '../../../src/pods/exec-agent.ts';
import type { Clock } from '../../../src/runtime/options.ts';
import { AgentConnection } from '../agent/agent-connection.ts';
import { AgentProcess, until } from '../agent/agent-process.ts';
import { silentLogger } from '../silent-logger.ts';
import { ExecRig } from './exec-rig.ts';

export interface RigClientOptions extends AgentClientOptions {
  /** @defaultValue `'pod'` */
  readonly podName?: string;
  /** The port of a proxy in front of the API server. */
  readonly port?: number;
  /** The API server, with its own credentials. @defaultValue the rig's */
  readonly cluster?: ClientNodeCluster;
  /** The clock of the client, and of its connections if `exec` contains it. */
  readonly clock?: Clock;
  /** Shared by several clients. @defaultValue its own */
  readonly limits?: ConnectionLimits;
  /** The execs that the server has granted. @defaultValue each refusal is final */
  readonly granted?: GrantedCalls;
  /** The protocols of its connections, in order. @defaultValue the library's */
  readonly protocols?: readonly ExecProtocol[];
  /** The options of its connections. @defaultValue the library's */
  readonly exec?: Omit<OpenExecOptions, 'protocols'>;
}

/** A real agent behind the rig's API server, and clients that connect as the library does. */
export class TransferRig {
  readonly api: ExecRig;
  readonly agent: AgentProcess;
  readonly #clients: AgentClient[] = [];

  private constructor(api: ExecRig, agent: AgentProcess) {
    this.api = api;
    this.agent = agent;
    api.pods.set('pod', agent.folder);
  }

  static async start(options: { readonly tls?: boolean } = {}): Promise<TransferRig> {
    return new TransferRig(await ExecRig.start(options), await AgentProcess.start());
  }

  client({
    podName = 'pod',
    port,
    cluster: given,
    clock = systemClock(),
    limits,
    exec,
    granted,
    protocols: names = execProtocols,
    ...options
  }: RigClientOptions = {}): AgentClient {
    const opening = given ?? ClientNodeCluster.fromConfig({ kubeConfig: this.api.kubeConfig(port), namespace: 'ci' });
    const target = { podName, containerName: mainContainerName, command: agentConnectCommand };
    const protocols = new ProtocolOrder(names);
    const client = new AgentClient({
      connect: async ({ signal }) => {
        const cluster = await opening;
        return exec === undefined
          ? connectByExec(cluster, podName, { signal, protocols, granted })
          : openExec(await cluster.execEndpoint(target), { protocols, ...exec, signal });
      },
      clock,
      logger: silentLogger,
      podName,
      handle: 'box',
      limits,
      options,
    });
    this.#clients.push(client);
    return client;
  }

  path(volume: string, path = ''): string {
    return join(this.agent.folder, 'volumes', volume, 'data', path);
  }

  /** Writes files into a volume without the agent. */
  async put(volume: string, files: Readonly<Record<string, string | Buffer>>): Promise<void> {
    for (const [name, content] of Object.entries({ ...files })) {
      await mkdir(dirname(this.path(volume, name)), { recursive: true });
      await writeFile(this.path(volume, name), content);
    }
  }

  async bytes(volume: string, path: string): Promise<Buffer> {
    return await readFile(this.path(volume, path));
  }

  /** Returns the contents of a volume's files, by path. */
  async contents(volume: string): Promise<Record<string, string>> {
    const entries = await readdir(this.path(volume), { recursive: true, withFileTypes: true }).catch(() => []);
    const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
    const read = files.map(
      async (path) => [path.slice(this.path(volume).length + 1), await readFile(path, 'latin1')] as const,
    );
    return Object.fromEntries(await Promise.all(read));
  }

  /** Returns the staged operations, as `volume/operation`. */
  async staged(): Promise<string[]> {
    const volumes = await readdir(join(this.agent.folder, 'volumes')).catch(() => []);
    const found: string[] = [];
    for (const volume of volumes) {
      const staged = await readdir(join(this.agent.folder, 'volumes', volume, 'staging')).catch(() => []);
      found.push(...staged.map((operation) => `${volume}/${operation}`));
    }
    return found;
  }

  /** Ends the parked uploads, as their host would. Returns their number. */
  async forgetStaged(): Promise<number> {
    const operations = (await this.staged()).map((path) => path.slice(path.indexOf('/') + 1));
    await this.#withAgent(async (connection) => {
      for (const operation of operations) await connection.call({ op: 'remove', operation });
    });
    return operations.length;
  }

  /** Waits until the agent has no operation, running or parked, and nothing is staged. */
  async idle(): Promise<void> {
    await this.#withAgent(async (connection) => {
      await until('the agent has no operations', async () => {
        const { operations, parked } = await connection.call({ op: 'status' });
        return operations === 0 && parked === 0;
      });
    });
    await this.#nothingIsStaged();
  }

  /**
   * Closes the clients, and waits until no exec, no command, no process of the agent and no staged
   * operation remains.
   */
  async quiet(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.close();
    await this.api.quiet();
    await until('the agent has no children', async () => (await this.agent.children()).length === 0);
    await this.#nothingIsStaged();
  }

  async #nothingIsStaged(): Promise<void> {
    await until('nothing is staged', async () => (await this.staged()).length === 0);
  }

  /** Connects to the agent without an exec. */
  async #withAgent(work: (connection: AgentConnection) => Promise<void>): Promise<void> {
    const socket = await until('the agent listens', () => reached(join(this.agent.folder, 'agent/socket')));
    const connection = new AgentConnection(socket, socket, () => socket.destroy());
    connection.hello();
    await connection.agentHello;
    await work(connection);
    await connection.bye();
    socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.api.close();
    await this.agent[Symbol.asyncDispose]();
  }
}

async function reached(path: string): Promise<Socket | undefined> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return socket;
  } catch {
    return undefined;
  }
}
