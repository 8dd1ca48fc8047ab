import { type Row, selected, series } from './panel.ts';

export const health: Row = {
  title: 'Health',
  panels: [
    {
      title: 'Replicas that are ready',
      description: 'How many replicas are ready? With fewer than there are, the checks name the reason.',
      unit: 'short',
      queries: [
        { expr: `sum(${series('ready')})`, legend: 'ready' },
        { expr: `count(${series('build_info')})`, legend: 'replicas' },
      ],
    },
    {
      title: 'Checks that fail',
      description: 'Which check of readiness fails, and where? An empty panel is good.',
      unit: 'short',
      kind: 'stacked',
      queries: [{ expr: `${series('check_passed')} == 0`, legend: '{{check}} {{instance}}' }],
    },
    {
      title: 'State of the worker',
      description: 'Does the worker accept new containers? Only `running` does.',
      unit: 'short',
      kind: 'stacked',
      queries: [{ expr: `max by (state) (${series('worker_state')})`, legend: '{{state}}' }],
    },
    {
      title: 'Age of the last heartbeat',
      description: 'When was the cluster, with its stores, last proven to answer? The worker stalls after about 75 s.',
      unit: 's',
      limit: 75,
      queries: [{ expr: `time() - max(${series('heartbeat_timestamp_seconds')})`, legend: 'age' }],
    },
    {
      title: 'Age of the last complete pass of the reaper',
      description: 'When did the reaper last end without a failure? It runs every 30 s by default.',
      unit: 's',
      limit: 300,
      queries: [{ expr: `time() - max(${series('reaper_last_success_timestamp_seconds')})`, legend: 'age' }],
    },
    {
      title: 'Leader',
      description: 'Which replica runs the controllers? Exactly one has the value 1.',
      unit: 'short',
      kind: 'stacked',
      queries: [{ expr: series('reaper_leader'), legend: '{{instance}}' }],
    },
    {
      title: 'Versions',
      description: 'Which versions run? Two of them only during an upgrade.',
      unit: 'short',
      kind: 'stacked',
      queries: [{ expr: `count by (version, node) (${series('build_info')})`, legend: '{{version}}, Node {{node}}' }],
    },
    {
      title: 'Age of the watch of pods',
      description: 'Since when has the watch received nothing? It begins again every few minutes.',
      unit: 's',
      queries: [{ expr: series('watch_age_seconds'), legend: '{{instance}}' }],
    },
    {
      title: 'Warnings and errors in the log',
      description: 'How many warnings and errors are logged in a second? The log names their causes.',
      unit: 'ops',
      kind: 'stacked',
      queries: [
        {
          expr: `sum by (level) (rate(kubernetes_worker_log_messages_total{${selected},level=~"warn|error"}[$__rate_interval]))`,
          legend: '{{level}}',
        },
      ],
    },
    {
      title: 'Readings of the configuration',
      description: 'Was a changed configuration refused? INVALID: the old one stays in force.',
      unit: 'short',
      kind: 'stacked',
      queries: [
        {
          expr: `sum by (outcome) (increase(kubernetes_worker_config_reloads_total{${selected}}[$__rate_interval]))`,
          legend: '{{outcome}}',
        },
      ],
    },
  ],
};
