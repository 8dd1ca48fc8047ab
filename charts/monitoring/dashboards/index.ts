import { dependencies } from './dependencies.ts';
import { health } from './health.ts';
import { objectives } from './objectives.ts';
import type { Dashboard } from './panel.ts';
import { podStart } from './pod-start.ts';
import { processRow } from './process.ts';
import { streams } from './streams.ts';
import { work } from './work.ts';

/** The dashboards, in the order in which an operator looks at them. */
export const dashboards: readonly Dashboard[] = [
  {
    uid: 'kubernetes-worker-overview',
    title: 'kubernetes-worker: overview',
    description: 'Whether the worker works, and how fast. Runbooks: docs/monitoring.md',
    rows: [health, work, podStart, objectives],
  },
  {
    uid: 'kubernetes-worker-internals',
    title: 'kubernetes-worker: internals',
    description: 'What the worker moves, and what it depends on. Runbooks: docs/monitoring.md',
    rows: [streams, dependencies, processRow],
  },
];
