import type { ContainerRuntime } from '../isolation/container-runtime.ts';
import type { EventRecorder } from '../objects/event-recorder.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import type { EmbeddedLogger } from '../options.ts';
import type { NodeFacts } from './scheduling.ts';

/** What everything that runs pods works with. */
export interface RunnerContext {
  readonly store: ObjectStore;
  readonly events: EventRecorder;
  readonly runtime: ContainerRuntime;
  readonly node: NodeFacts;
  readonly logger: EmbeddedLogger;
  /** The instance's directory. */
  readonly directory: string;
  /** Marks all processes of this instance. */
  readonly instanceId: string;
  /** Puts a first process on record, so that it can be found when its environment can't be read. */
  readonly remember: (pid: number) => void;
  /** The first back-off after quick ends of a container, in milliseconds; doubles each time. */
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
