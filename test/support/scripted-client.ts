import { AgentClient, type AgentClientOptions } from '../../src/agent-client/agent-client.ts';
import { ConnectionLimits } from '../../src/agent-client/session/connection-limits.ts';
import type { AbortOptions } from '../../src/runtime/options.ts';
import { ScriptedAgent } from './scripted-agent.ts';
import { silentLogger } from './silent-logger.ts';
import { settle, VirtualClock } from './virtual-clock.ts';

/** A client with connections to scripted agents, and a virtual clock. */
export class ScriptedClient {
  readonly clock = new VirtualClock();
  /** One agent per connection, in the order of opening. */
  readonly agents: ScriptedAgent[] = [];
  readonly client: AgentClient;
  /** Called for each new connection, before the client receives it. */
  onConnect: (agent: ScriptedAgent) => void | Promise<void> = (agent) => {
    agent.hello();
  };

  constructor(options: AgentClientOptions = {}, limits: ConnectionLimits = new ConnectionLimits()) {
    const connect = async ({ signal }: AbortOptions) => {
      signal?.throwIfAborted();
      const agent = new ScriptedAgent();
      this.agents.push(agent);
      await this.onConnect(agent);
      return agent.connection;
    };
    this.client = new AgentClient({
      connect,
      clock: this.clock,
      logger: silentLogger,
      podName: 'pod',
      handle: 'box',
      limits,
      options,
    });
  }

  /** Waits for OPEN on a connection. Rejects if the operation is of another kind. */
  async opened(op: string, index?: number): Promise<{ agent: ScriptedAgent; open: Record<string, unknown> }> {
    await settle();
    const agent = this.agents[index ?? this.agents.length - 1];
    if (agent === undefined) throw new Error('no connection was opened');
    if (agent.frames[0]?.type === 'HELLO') await agent.next('HELLO');
    if (agent.frames[0]?.type === 'DONE') await agent.next('DONE');
    const open = await agent.nextJson('OPEN');
    if (open['op'] !== op) throw new Error(`the host opened ${String(open['op'])}, ${op} was expected`);
    return { agent, open };
  }
}
