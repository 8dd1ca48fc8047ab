import { quantileOf, type Row, rateOf } from './panel.ts';

const phases = { labels: 'operation=~"pod.create|pod.schedule|image.pull|agent.connect"', by: ['operation'] };
const create = { labels: 'operation="container.create"' };

export const podStart: Row = {
  title: 'Pod start',
  panels: [
    {
      title: 'Phases of the start, p50',
      description: 'Which phase of the start takes long for most pods?',
      unit: 's',
      kind: 'stacked',
      queries: [{ expr: quantileOf(0.5, 'operation_duration_seconds', phases), legend: '{{operation}}' }],
    },
    {
      title: 'Phases of the start, p95',
      description: 'Which phase of the start takes long for the slowest pods?',
      unit: 's',
      kind: 'stacked',
      queries: [{ expr: quantileOf(0.95, 'operation_duration_seconds', phases), legend: '{{operation}}' }],
    },
    {
      title: 'Durations of creations',
      description: 'How are the durations of the creation of a container distributed?',
      unit: 's',
      kind: 'heatmap',
      queries: [
        {
          expr: `sum by (le) (increase(kubernetes_worker_operation_duration_seconds_bucket{namespace=~"$namespace",job=~"$job",instance=~"$instance",operation="container.create"}[$__rate_interval]))`,
          legend: '{{le}}',
        },
      ],
    },
    {
      title: 'Slowest creations',
      description: 'How long does the creation of a container take?',
      unit: 's',
      limit: 60,
      queries: [
        { expr: quantileOf(0.5, 'operation_duration_seconds', create), legend: 'p50' },
        { expr: quantileOf(0.95, 'operation_duration_seconds', create), legend: 'p95' },
      ],
    },
    {
      title: 'Pods that do not start',
      description: 'Why do creations fail for a reason of the cluster?',
      unit: 'ops',
      kind: 'stacked',
      queries: [
        {
          expr: `sum by (outcome) (${rateOf('operation_results_total', 'operation="container.create",outcome!~"OK|CANCELLED"')})`,
          legend: '{{outcome}}',
        },
      ],
    },
    {
      title: 'Checks of images',
      description: 'What do checks of images in their registries find? NOT_CHECKED: the registry does not answer.',
      unit: 'ops',
      kind: 'stacked',
      queries: [
        { expr: `sum by (outcome) (${rateOf('preflight_duration_seconds_count')})`, legend: '{{outcome}}' },
        { expr: `sum(${rateOf('preflight_cache_hits_total')})`, legend: 'without a request' },
      ],
    },
  ],
};
