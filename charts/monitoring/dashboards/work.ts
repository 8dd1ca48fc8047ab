import { quantileOf, type Row, rateOf, series } from './panel.ts';

const step = 'operation=~"container.create|process.run"';

export const work: Row = {
  title: 'Work',
  panels: [
    {
      title: 'Processes that are followed',
      description: 'How many processes do the hosts follow, of how many places? Output of others waits in their pods.',
      unit: 'short',
      queries: [
        { expr: `sum(${series('connections', 'use="attachment",state="used"')})`, legend: 'followed' },
        { expr: `sum(${series('connections', 'use="attachment",state="limit"')})`, legend: 'places' },
        { expr: `sum(${series('connections', 'use="attachment",state="waiting"')})`, legend: 'waiting' },
      ],
    },
    {
      title: 'Operations under way',
      description: 'What do the processes do now? Creations and commands are the work of hosts.',
      unit: 'short',
      kind: 'stacked',
      queries: [
        {
          expr: `sum by (operation) (${series('operation_active', 'operation=~"container.create|process.run|process.attach|volume.stream-in|volume.stream-out"')})`,
          legend: '{{operation}}',
        },
      ],
    },
    {
      title: 'Containers by state',
      description: 'How many containers does the worker have? A growing `destroying` is a reaper that fails.',
      unit: 'short',
      kind: 'stacked',
      queries: [{ expr: `max by (state) (${series('containers')})`, legend: '{{state}}' }],
    },
    {
      title: 'Waits for room in a quota',
      description: 'How long do creations wait for room in a quota of the namespace? Without a quota there is no line.',
      unit: 's',
      queries: [
        { expr: quantileOf(0.5, 'quota_wait_seconds'), legend: 'p50' },
        { expr: quantileOf(0.95, 'quota_wait_seconds'), legend: 'p95' },
      ],
    },
    {
      title: 'Creations that wait for room',
      description: 'How many creations wait for room in a quota? A line above 0 for long is a quota that is too small.',
      unit: 'short',
      queries: [{ expr: `sum(${series('quota_queue')})`, legend: 'waiting' }],
    },
    {
      title: 'Steps that end',
      description: 'How many creations and processes end in a second?',
      unit: 'ops',
      queries: [{ expr: `sum by (operation) (${rateOf('operation_results_total', step)})`, legend: '{{operation}}' }],
    },
    {
      title: 'How steps end',
      description: 'With which outcomes do steps end? OK includes commands whose exit status is not 0.',
      unit: 'ops',
      kind: 'stacked',
      queries: [{ expr: `sum by (outcome) (${rateOf('operation_results_total', step)}) > 0`, legend: '{{outcome}}' }],
    },
    {
      title: 'Steps that fail for a reason of the system',
      description:
        "Which part of the steps fails for a reason of the system? A command's own exit status is no reason.",
      unit: 'percentunit',
      limit: 0.05,
      queries: [
        {
          expr: `sum(${rateOf('operation_results_total', `${step},outcome!~"OK|CANCELLED"`)}) / sum(${rateOf('operation_results_total', step)})`,
          legend: 'system errors',
        },
      ],
    },
  ],
};
