import type { HeartbeatLoop } from '../controllers/heartbeat-loop.ts';
import { KeySweepLoop } from '../controllers/key-sweep-loop.ts';
import { type Controller, LeaderElection } from '../controllers/leadership.ts';
import { PassRecord } from '../controllers/pass-record.ts';
import { ReapLoop } from '../controllers/reap-loop.ts';
import type { Reaper } from '../controllers/reaper.ts';
import type { Repository } from '../repository/repository.ts';
import type { Clock, Logger } from '../runtime/options.ts';
import type { ControllerName, ControllerState, Leadership } from '../runtime/worker-controllers.ts';
import type { UpkeepObserver } from '../telemetry/upkeep-metrics.ts';

export interface ControllersOfWorker {
  readonly workerName: string;
  readonly repository: Pick<Repository, 'workers' | 'reservations'>;
  readonly reaper: Reaper;
  /** The option `reapEveryMs`. */
  readonly reapEveryMs: number | undefined;
  /** The time between two sweeps of the stores; `undefined` without archive stores. */
  readonly sweepEveryMs: number | undefined;
  /** The option `heartbeatEveryMs`. */
  readonly heartbeatEveryMs: number | undefined;
  /** Returns the heartbeats of that option. */
  readonly heartbeats: (record: PassRecord | undefined) => HeartbeatLoop | undefined;
  readonly leaderElection: boolean;
  readonly upkeep: Pick<UpkeepObserver, 'leads'>;
  /** Runs work apart from the caller's span. */
  readonly apart: (work: () => void) => void;
  /** Returns a name of this object that no other holder of a lease has. */
  readonly newHolder: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Records = Readonly<Record<'reaper' | 'heartbeats' | 'sweep', PassRecord | undefined>>;

/** What a worker object does in the background. */
export class Controllers {
  readonly #options: ControllersOfWorker;
  /** Of this object or of its term as a leader. */
  #reapLoop: ReapLoop | undefined;
  readonly #election: LeaderElection | undefined;
  readonly #always: readonly Controller[];
  readonly #records: Records;

  private constructor(options: ControllersOfWorker) {
    this.#options = options;
    const { workerName, repository, leaderElection, upkeep, newHolder, clock, logger } = options;
    this.#records = recordsOf(options);
    this.#election = leaderElection
      ? new LeaderElection({
          workerName,
          holder: newHolder(),
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

  get states(): readonly ControllerState[] {
    return Object.values(this.#records).flatMap((record) => (record === undefined ? [] : [record.state]));
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
    const { workerName, repository, reaper, reapEveryMs, sweepEveryMs, heartbeats, newHolder, clock, logger } =
      this.#options;
    const records = this.#records;
    const { workers } = repository;
    const common = { workerName, reaper, clock, logger };
    this.#reapLoop =
      reapEveryMs === undefined
        ? undefined
        : new ReapLoop({
            ...common,
            workers,
            everyMs: reapEveryMs,
            holder: newHolder(),
            record: records.reaper,
            upkeep: this.#passObserver(),
          });
    const sweeps =
      reapEveryMs === undefined || sweepEveryMs === undefined
        ? undefined
        : new KeySweepLoop({ ...common, everyMs: sweepEveryMs, record: records.sweep });
    return [this.#reapLoop, sweeps, heartbeats(records.heartbeats)].filter((loop) => loop !== undefined);
  }
}

function recordsOf({ reapEveryMs, sweepEveryMs, heartbeatEveryMs, clock }: ControllersOfWorker): Records {
  const record = (name: ControllerName, everyMs: number | undefined): PassRecord | undefined =>
    everyMs === undefined ? undefined : new PassRecord(name, everyMs, clock);
  return {
    reaper: record('reaper', reapEveryMs),
    heartbeats: record('heartbeats', heartbeatEveryMs),
    sweep: record('store-sweep', reapEveryMs === undefined ? undefined : sweepEveryMs),
  };
}
