import type { AgentClientOptions } from '../agent-client/agent-client.ts';
import { ConnectionLimits } from '../agent-client/session/connection-limits.ts';
import { MessageBuffers } from '../exec/message-buffers.ts';
import { execProtocols, ProtocolOrder } from '../exec/protocol-order.ts';
import { messageBufferBytes } from '../exec/stdin-frames.ts';
import { silentLogger } from '../internal/silent-logger.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { GrantedCalls } from '../kubernetes/granted-calls.ts';
import { AgentPool } from '../pods/agent-pool.ts';
import { connectByExec, type SharedExecOptions } from '../pods/exec-agent.ts';
import type { Clock } from '../runtime/options.ts';
import type { TransferOptions } from '../runtime/transfer-options.ts';
import { apiMetrics } from '../telemetry/cluster-metrics.ts';
import { transferMetrics } from '../telemetry/transfer-metrics.ts';
import { type KubernetesWorkerOptions, withDefaults } from '../worker-options.ts';

/** What connects to the agents of a worker's pods. */
export interface WorkerAgents {
  readonly pool: AgentPool;
  /** The limits of the pool. */
  readonly limits: ConnectionLimits;
  /** What all execs share. */
  readonly exec: SharedExecOptions;
}

/** Composes the connections to the agents, each by an exec. */
export function composeAgents(options: KubernetesWorkerOptions, cluster: Cluster, clock: Clock): WorkerAgents {
  const { transfers = {}, maxAttachments, logger = silentLogger } = options;
  const exec = {
    buffers: new MessageBuffers(messageBufferBytes),
    protocols: new ProtocolOrder(options.execProtocols ?? execProtocols),
    observe: apiMetrics(),
    granted: new GrantedCalls(clock),
  };
  const limits = new ConnectionLimits({ maxTransfers: transfers.maxConcurrent, maxAttachments });
  const pool = new AgentPool({
    connect: (pod, connecting) => connectByExec(cluster, pod, { ...connecting, ...exec }),
    clock,
    logger,
    limits,
    transferEnded: transferMetrics(),
    options: agentOptions(transfers, withDefaults(options).reconnectTimeoutMs),
  });
  return { pool, limits, exec };
}

function agentOptions(
  { stallTimeoutMs, firstRetryMs: firstMs = 100, longestRetryMs: longestMs = 5_000, windowBytes }: TransferOptions,
  retryBudgetMs: number,
): AgentClientOptions {
  return {
    stallMs: stallTimeoutMs,
    retryBudgetMs,
    retryBackoff: { firstMs, longestMs },
    downloadWindowBytes: windowBytes,
  };
}
