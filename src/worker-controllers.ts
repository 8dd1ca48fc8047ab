import type { HeartbeatLoop } from './controllers/heartbeat-loop.ts';
import { KeySweepLoop } from './controllers/key-sweep-loop.ts';
import { type Controller, LeaderElection } from './controllers/leadership.ts';
import { ReapLoop } from './controllers/reap-loop.ts';
import type { Reaper } from './controllers/reaper.ts';
import type { Repository } from './repository/repository.ts';
import type { Clock, Logger } from './runtime/options.ts';
import type { Leadership } from './runtime/worker-controllers.ts';
import type { UpkeepObserver } from './telemetry/upkeep-metrics.ts';

export interface ControllersOfWorker {
  readonly workerName: string;
  readonly repository: Pick<Repository, 'workers' | 'reservations'>;
  readonly reaper: Reaper;
  /** The option `reapEveryMs`. */
  readonly reapEveryMs: number | undefined;
  /** The time between two sweeps of the stores; `undefined` without archive stores. */
  readonly sweepEveryMs: number | undefined;
  /** Returns the heartbeats of the option `heartbeatEveryMs`. */
  readonly heartbeats: () => HeartbeatLoop | undefined;
  readonly leaderElection: boolean;
  readonly upkeep: Pick<UpkeepObserver, 'leads'>;
  /** Runs work apart from the caller's span. */
  readonly apart: (work: () => void) => void;
  readonly newId: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a worker object does in the background. */
export class Controllers {
  readonly #options: ControllersOfWorker;
  /** Of this object or of its term as a leader. */
  #reapLoop: ReapLoop | undefined;
  readonly #election: LeaderElection | undefined;
  readonly #always: readonly Controller[];

  private constructor(options: ControllersOfWorker) {
    this.#options = options;
    const { workerName, repository, leaderElection, upkeep, newId, clock, logger } = options;
    this.#election = leaderElection
      ? new LeaderElection({
          workerName,
          holder: newId(),
          reservations: repository.reservations,
          controllers: () => this.#ofLeader(),
          leads: (leads) => upkeep.leads(leads),
          clock,
          logger,
        })
      : undefined;
    this.#always = this.#election === undefined ? this.#loops() : [this.#election];
  }

  static start(options: ControllersOfWorker): Controllers {
    const controllers = new Controllers(options);
    options.apart(() => {
      for (const controller of controllers.#always) controller.start();
    });
    return controllers;
  }

  get leadership(): Leadership {
    return this.#election?.leadership ?? { role: 'none', confirmedAt: undefined };
  }

  /** Requests a pass of the reaper out of turn. A follower has none: the leader's next pass follows. */
  reapSoon(): void {
    this.#reapLoop?.hurry();
  }

  /** Resolves when all have ended and the lease was handed back. Idempotent. */
  async stop(): Promise<void> {
    await Promise.all(this.#always.map((controller) => controller.close()));
  }

  /** The leader before may have died long before the end of its period. */
  #ofLeader(): readonly Controller[] {
    const loops = this.#loops();
    this.#reapLoop?.hurry();
    return loops;
  }

  /** With an election, its lease and not that of a pass shows who leads. */
  #passObserver(): ControllersOfWorker['upkeep'] | undefined {
    return this.#election === undefined ? this.#options.upkeep : undefined;
  }

  #loops(): readonly Controller[] {
    const { workerName, repository, reaper, reapEveryMs, sweepEveryMs, heartbeats, newId, clock, logger } =
      this.#options;
    const { workers } = repository;
    const common = { workerName, reaper, clock, logger };
    this.#reapLoop =
      reapEveryMs === undefined
        ? undefined
        : new ReapLoop({ ...common, workers, everyMs: reapEveryMs, holder: newId(), upkeep: this.#passObserver() });
    const sweeps =
      reapEveryMs === undefined || sweepEveryMs === undefined
        ? undefined
        : new KeySweepLoop({ ...common, everyMs: sweepEveryMs });
    return [this.#reapLoop, sweeps, heartbeats()].filter((loop) => loop !== undefined);
  }
}
