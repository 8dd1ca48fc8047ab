import type { Pod } from '../kubernetes/cluster.ts';
import { mainImage, mainImageState } from '../kubernetes/pod-state/image-state.ts';
import { findUnschedulable } from '../kubernetes/pod-state/pod-status.ts';
import type { Clock } from '../runtime/options.ts';
import type {
  CacheLost,
  StepProgress,
  StepProgressFacts,
  StreamingCache,
  StreamingInput,
} from '../runtime/step-progress.ts';

export interface StartProgressOptions {
  readonly podName: string;
  readonly clock: Pick<Clock, 'now'>;
  /** Receives the events. It does not throw. */
  readonly report: (event: StepProgress) => void;
}

/** The order of the events. */
const rankOf: Readonly<Record<StepProgress['kind'], number>> = {
  'waiting-for-another-host': 0,
  'creating-pod': 1,
  'waiting-for-quota': 2,
  unschedulable: 3,
  scheduled: 4,
  pulling: 5,
  'waiting-for-volumes': 6,
  pulled: 7,
  'agent-ready': 8,
  'streaming-input': 9,
  'streaming-cache': 9,
  'cache-lost': 9,
  'inputs-done': 10,
  ready: 11,
};

/**
 * The progress of one try to create a container. Its methods receive facts in any order and any
 * number of times. It reports each kind at most once (except inputs and caches), in
 * order, and nothing after `end`. A fact that comes too late for the order is dropped.
 */
export class StartProgress {
  readonly podName: string;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #report: (event: StepProgress) => void;
  /** The rank of the last event. */
  #rank = -1;
  #image: string | undefined;
  #isOver = false;

  constructor({ podName, clock, report }: StartProgressOptions) {
    this.podName = podName;
    this.#clock = clock;
    this.#report = report;
  }

  waitingForAnotherHost(): void {
    this.#once({ kind: 'waiting-for-another-host' });
  }

  creatingPod(): void {
    this.#once({ kind: 'creating-pod' });
  }

  waitingForQuota(message: string, queued: number): void {
    this.#once({ kind: 'waiting-for-quota', message, queued });
  }

  waitingForVolumes(message: string): void {
    this.#once({ kind: 'waiting-for-volumes', message });
  }

  /** Reports what this state of the pod proves. */
  observe(pod: Pod): void {
    const nodeName = pod.spec?.nodeName;
    if (nodeName === undefined) {
      const unschedulable = findUnschedulable(pod);
      if (unschedulable !== undefined) this.#once({ kind: 'unschedulable', message: unschedulable.detail });
      return;
    }
    this.#once({ kind: 'scheduled', nodeName });
    this.#image = mainImage(pod);
    const state = mainImageState(pod);
    if (this.#image !== undefined && state === 'awaited') this.#once({ kind: 'pulling', image: this.#image });
    if (state === 'present') this.#pulled();
  }

  /** The agent's answer proves that its container runs, and therefore that its image is present. */
  agentReady(): void {
    this.#pulled();
    this.#once({ kind: 'agent-ready' });
  }

  /** Reports every call, unless a later event was reported. */
  streamingInput(facts: Omit<StreamingInput, 'kind'>): void {
    this.#emit({ kind: 'streaming-input', ...facts });
  }

  /** Reports every call, like `streamingInput`. */
  streamingCache(facts: Omit<StreamingCache, 'kind'>): void {
    this.#emit({ kind: 'streaming-cache', ...facts });
  }

  cacheLost(facts: Omit<CacheLost, 'kind'>): void {
    this.#emit({ kind: 'cache-lost', ...facts });
  }

  inputsDone(): void {
    this.#once({ kind: 'inputs-done' });
  }

  ready(): void {
    this.#once({ kind: 'ready' });
  }

  /** Drops all later facts. Idempotent. */
  end(): void {
    this.#isOver = true;
  }

  #pulled(): void {
    if (this.#image !== undefined) this.#once({ kind: 'pulled', image: this.#image });
  }

  #once(facts: StepProgressFacts): void {
    if (rankOf[facts.kind] !== this.#rank) this.#emit(facts);
  }

  #emit(facts: StepProgressFacts): void {
    const rank = rankOf[facts.kind];
    if (this.#isOver || rank < this.#rank) return;
    this.#rank = rank;
    this.#report({ ...facts, at: new Date(this.#clock.now()), podName: this.podName });
  }
}
