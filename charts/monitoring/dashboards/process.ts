import { type Row, rateOf, selected, series } from './panel.ts';

export const processRow: Row = {
  title: 'Process',
  panels: [
    {
      title: 'Resident memory',
      description: "How much memory does a replica use, of the container's limit?",
      unit: 'bytes',
      queries: [
        { expr: `process_resident_memory_bytes{${selected}}`, legend: '{{instance}}' },
        { expr: series('memory_limit_bytes'), legend: 'limit {{instance}}' },
      ],
    },
    {
      title: 'Heap',
      description: 'How much of the heap is used? A line that only grows is a leak.',
      unit: 'bytes',
      queries: [{ expr: `sum by (instance) (v8js_memory_heap_used_bytes{${selected}})`, legend: '{{instance}}' }],
    },
    {
      title: 'Delay of the event loop, p99',
      description: 'How late does the event loop run? A blocked one misses heartbeats and probes.',
      unit: 's',
      limit: 0.5,
      queries: [{ expr: `nodejs_eventloop_delay_p99_seconds{${selected}}`, legend: '{{instance}}' }],
    },
    {
      title: 'CPU',
      description: 'How much CPU does a replica use?',
      unit: 'short',
      queries: [{ expr: `rate(process_cpu_seconds_total{${selected}}[$__rate_interval])`, legend: '{{instance}}' }],
    },
    {
      title: 'Throttling of the CPU',
      description: 'Which part of the time is a replica kept from the CPU by its limit? The chart sets no limit.',
      unit: 'percentunit',
      limit: 0.1,
      queries: [{ expr: rateOf('cpu_throttled_seconds_total'), legend: '{{instance}}' }],
    },
    {
      title: 'Open descriptors',
      description: 'How many descriptors does a replica have open? A line that only grows is a leak.',
      unit: 'short',
      queries: [{ expr: `process_open_fds{${selected}}`, legend: '{{instance}}' }],
    },
    {
      title: 'Age of the process',
      description: 'How long has a replica run? Short lines are restarts.',
      unit: 's',
      queries: [{ expr: `time() - process_start_time_seconds{${selected}}`, legend: '{{instance}}' }],
    },
  ],
};
