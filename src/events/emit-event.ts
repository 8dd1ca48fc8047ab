import type { EventOverflow, WorkerEventFacts } from '../runtime/worker-events.ts';

/** Reports a fact that is durable. Returns at once and never throws. */
export type EmitEvent = (facts: Exclude<WorkerEventFacts, EventOverflow>) => void;
