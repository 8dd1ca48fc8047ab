import type { Pod } from '../kubernetes/cluster.ts';
import { mainImageState } from '../kubernetes/pod-state/image-state.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { Operation } from '../telemetry/semconv.ts';
import type { OpenSpan } from '../telemetry/tracing.ts';

/** The phases between the creation of a pod and the answer of its agent, in their order. */
const phases = ['pod.schedule', 'image.pull', 'agent.connect'] as const satisfies readonly Operation[];

/**
 * Divides the start of a pod into spans, one after the other. The watch may skip states: a phase is
 * then missing, or longer than it was. Each phase begins when the one before it ends.
 */
export class StartPhases {
  readonly #parent: OpenSpan;
  #phase = 0;
  #current: OpenSpan;

  constructor(parent: OpenSpan) {
    this.#parent = parent;
    this.#current = parent.begin(phases[0]);
  }

  /** Enters the phase that this state of the pod proves. */
  observe(pod: Pod): void {
    const nodeName = pod.spec?.nodeName;
    if (nodeName === undefined) return;
    this.#parent.set({ nodeName });
    this.#enter(mainImageState(pod) === 'present' ? 2 : 1);
  }

  /** Ends the last phase: the agent answers. */
  end(): void {
    this.#current.end();
  }

  fail(error: unknown, options: AbortOptions): void {
    this.#current.fail(error, options);
  }

  #enter(phase: 1 | 2): void {
    if (phase <= this.#phase) return;
    this.#phase = phase;
    this.#current.end();
    this.#current = this.#parent.begin(phases[phase]);
  }
}

/** Runs the wait for a pod's agent in the spans of its phases. */
export async function inStartPhases(
  span: OpenSpan,
  wait: (phases: StartPhases) => Promise<void>,
  options: AbortOptions,
): Promise<void> {
  const started = new StartPhases(span);
  try {
    await wait(started);
    started.end();
  } catch (error) {
    started.fail(error, options);
    throw error;
  }
}
