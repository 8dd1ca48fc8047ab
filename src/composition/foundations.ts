import type { ImageSettings } from '../images/image-settings.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import type { AgentDelivery } from '../pods/agent-delivery.ts';
import type { Repository } from '../repository/repository.ts';
import type { Clock } from '../runtime/options.ts';
import type { WorkerAgents } from './compose-agents.ts';

/** The components that all others depend on. */
export interface Foundations {
  readonly cluster: Cluster;
  readonly repository: Repository;
  readonly installationId: string;
  readonly images: ImageSettings;
  readonly delivery: AgentDelivery;
  readonly agents: WorkerAgents;
  readonly clock: Clock;
  /** Returns a new UUID. */
  readonly newId: () => string;
  /** Whether the worker's name need not be registered. @defaultValue false */
  readonly mayBeUnregistered?: boolean | undefined;
}
