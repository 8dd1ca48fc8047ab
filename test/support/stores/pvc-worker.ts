import { randomUUID } from 'node:crypto';

import { ConnectionLimits } from '../../../src/agent-client/session/connection-limits.ts';
import { archiveKey } from '../../../src/archives/archive-key.ts';
import { hostMask } from '../../../src/internal/host-mask.ts';
import { systemClock } from '../../../src/internal/system-clock.ts';
import type { Cluster } from '../../../src/kubernetes/cluster.ts';
import { installationSelector, workerSelector } from '../../../src/kubernetes/pod-spec/labels.ts';
import { PodWatch } from '../../../src/kubernetes/pod-state/pod-watch.ts';
import { AgentDelivery } from '../../../src/pods/agent-delivery.ts';
import { AgentPool } from '../../../src/pods/agent-pool.ts';
import { connectByExec } from '../../../src/pods/exec-agent.ts';
import { PodLauncher } from '../../../src/pods/pod-launcher.ts';
import { PodRemover } from '../../../src/pods/pod-remover.ts';
import { PodSupervisor } from '../../../src/pods/pod-supervisor.ts';
import { QuotaQueue } from '../../../src/pods/quota-queue.ts';
import type { Backoff } from '../../../src/retry/backoff.ts';
import type { PvcStoreOptions } from '../../../src/runtime/pvc-store-options.ts';
import type { ArchiveStore } from '../../../src/stores/archive-store.ts';
import { openPvcStore } from '../../../src/stores/pvc/open-pvc-store.ts';
import { storePodName } from '../../../src/stores/pvc/store-pod-request.ts';
import { silentLogger } from '../silent-logger.ts';
import { untraced } from '../untraced.ts';

export interface PvcWorkerOptions {
  readonly cluster: Cluster;
  /** The way to the agents. @defaultValue `cluster` */
  readonly execs?: Cluster;
  readonly image: string;
  /** How long a read continues without progress. @defaultValue 60,000 */
  readonly retryBudgetMs?: number;
  /** The waits between the tries to reconnect. @defaultValue the library's */
  readonly retryBackoff?: Backoff;
  /** How long a transfer may be without progress. @defaultValue that of the library */
  readonly stallMs?: number;
  /** How long a store pod may take to answer. @defaultValue 90,000 */
  readonly startMs?: number;
}

/** The parts of a worker that its stores on claims use, without a database. */
export class PvcWorker {
  readonly #options: PvcWorkerOptions;
  readonly #facts: { readonly installationId: string; readonly workerName: string; readonly image: string };
  readonly #agents: AgentPool;
  readonly #watch: PodWatch;
  readonly #parts: Pick<Parameters<typeof openPvcStore>[1], 'launcher' | 'pods' | 'remover'>;

  constructor(options: PvcWorkerOptions) {
    const {
      cluster,
      execs = cluster,
      image,
      retryBudgetMs = 60_000,
      retryBackoff,
      stallMs,
      startMs = 90_000,
    } = options;
    const [installationId, workerName] = [randomUUID(), 'w'];
    const [clock, logger] = [systemClock(), silentLogger];
    const timeouts = { startMs, schedulingMs: 90_000, imagePullMs: 60_000, reconnectMs: retryBudgetMs };
    const delivery = new AgentDelivery(cluster);
    this.#options = options;
    this.#facts = { installationId, workerName, image };
    this.#agents = new AgentPool({
      connect: (pod, connecting) => connectByExec(execs, pod, connecting),
      clock,
      logger,
      limits: new ConnectionLimits({}),
      transferEnded: () => undefined,
      // Smaller than the archives of the contract suite, whose reader pauses.
      options: { retryBudgetMs, retryBackoff, stallMs, downloadWindowBytes: 1024 * 1024 },
    });
    this.#watch = new PodWatch({ cluster, labelSelector: workerSelector(installationId, workerName), clock, logger });
    const shared = { cluster, watch: this.#watch, agents: this.#agents, clock, logger };
    this.#parts = {
      launcher: new PodLauncher({
        ...shared,
        ...this.#facts,
        delivery,
        podOptions: {},
        timeouts,
        quotaQueue: new QuotaQueue({ clock, limitMs: 60_000, maxWaiting: 10 }),
      }),
      pods: new PodSupervisor({ ...shared, delivery, timeouts, mask: hostMask(undefined, logger) }),
      remover: new PodRemover({
        ...shared,
        installationSelector: installationSelector(installationId),
        emit: () => undefined,
        tracing: untraced,
      }),
    };
  }

  /** Opens a store, as each host of the worker does. */
  open(options: PvcStoreOptions): ArchiveStore {
    const { cluster, retryBudgetMs = 60_000 } = this.#options;
    return openPvcStore(options, {
      ...this.#parts,
      ...this.#facts,
      cluster,
      agents: this.#agents,
      probeKey: () => archiveKey(this.#facts.installationId, randomUUID(), 1),
      retryBudgetMs,
      clock: systemClock(),
      logger: silentLogger,
    });
  }

  /** Returns the name of the store pod of a claim. */
  podName(claim: string): string {
    return storePodName(claim, this.#facts);
  }

  close(): void {
    this.#agents.close();
    this.#watch.close();
  }
}
