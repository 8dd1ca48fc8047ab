/** The part of the steps that may fail for a reason of the system. */
export const errorBudget = 0.01;

/** The duration within which nearly all containers are created, which is a bucket of the histogram. */
export const startSeconds = 60;

const step = 'operation=~"container.create|process.run"';

/** Which processes are counted, and which labels stay. */
interface Scope {
  /** A selector of labels, such as `job="ci"`. */
  readonly selector?: string;
  readonly by?: readonly string[];
}

/** Returns which part of the steps in a window failed for a reason of the system. */
export function errorRatio(window: string, { selector = '', by = [] }: Scope = {}): string {
  const all = selector === '' ? step : `${selector},${step}`;
  const rate = (labels: string): string =>
    `sum by (${by.join(', ')}) (rate(kubernetes_worker_operation_results_total{${labels}}[${window}]))`;
  return `${rate(`${all},outcome!~"OK|CANCELLED"`)} / ${rate(all)}`;
}
