import type { ContainerRuntime } from '../isolation/container-runtime.ts';
import type { EventRecorder } from '../objects/event-recorder.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import type { EmbeddedLogger } from '../options.ts';
import type { NodeFacts } from './scheduling.ts';

/** The collaborators of the classes that run pods. */
export interface RunnerContext {
  readonly store: ObjectStore;
  readonly events: EventRecorder;
  readonly runtime: ContainerRuntime;
  readonly node: NodeFacts;
  readonly logger: EmbeddedLogger;
  /** Returns the port of the API server on 127.0.0.1, which is the address of its Service. */
  readonly apiPort: () => number;
  /** The directory of the instance. */
  readonly directory: string;
  /** The id that marks all processes of this instance. */
  readonly instanceId: string;
  /**
   * Records a container's first process, so that a later start finds it even if its environment is
   * not readable.
   */
  readonly recordProcess: (pid: number) => void;
  /**
   * The first back-off for a container that ends quickly, in milliseconds. It doubles each time.
   */
  readonly crashLoopBackOffMs: number;
}

/** Resolves at the next change of any of these resources, or when `signal` aborts. */
export function nextChange(store: ObjectStore, resources: readonly string[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      signal.removeEventListener('abort', finish);
      for (const unsubscribe of subscriptions) unsubscribe();
      resolve();
    };
    const subscriptions = resources.map((resource) => store.subscribe(resource, finish));
    signal.addEventListener('abort', finish, { once: true });
    if (signal.aborted) finish();
  });
}
