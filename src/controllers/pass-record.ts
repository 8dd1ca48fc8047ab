import { isKubernetesWorkerError } from '../errors/error-code.ts';
import type { Clock } from '../runtime/options.ts';
import type { ControllerName, ControllerState } from '../runtime/worker-controllers.ts';

/** What a controller has done. It outlives the loops of one term as a leader. */
export class PassRecord {
  readonly #name: ControllerName;
  readonly #everyMs: number;
  readonly #clock: Pick<Clock, 'now'>;
  #beganAt: Date | undefined;
  #succeededAt: Date | undefined;
  #failedAt: Date | undefined;
  #failure: string | undefined;

  constructor(name: ControllerName, everyMs: number, clock: Pick<Clock, 'now'>) {
    this.#name = name;
    this.#everyMs = everyMs;
    this.#clock = clock;
  }

  get state(): ControllerState {
    return {
      name: this.#name,
      everyMs: this.#everyMs,
      beganAt: this.#beganAt,
      succeededAt: this.#succeededAt,
      failedAt: this.#failedAt,
      failure: this.#failure,
    };
  }

  began(): void {
    this.#beganAt = this.#now();
  }

  succeeded(): void {
    this.#succeededAt = this.#now();
  }

  failed(error: unknown): void {
    this.#failedAt = this.#now();
    this.#failure = isKubernetesWorkerError(error) ? error.code : 'OTHER';
  }

  #now(): Date {
    return new Date(this.#clock.now());
  }
}
