import { quantileOf, type Row, rateOf, series } from './panel.ts';

export const streams: Row = {
  title: 'Streams and volumes',
  panels: [
    {
      title: 'Bytes of transfers',
      description: 'How many bytes of volumes move in a second? `in` is into a volume.',
      unit: 'Bps',
      queries: [{ expr: `sum by (direction) (${rateOf('transfer_bytes_total')})`, legend: '{{direction}}' }],
    },
    {
      title: 'Durations of transfers, p95',
      description: 'How long do the slowest transfers of volumes take?',
      unit: 's',
      queries: [
        { expr: quantileOf(0.95, 'transfer_duration_seconds', { by: ['direction'] }), legend: '{{direction}}' },
      ],
    },
    {
      title: 'Transfers that fail',
      description: 'With which outcomes do transfers fail?',
      unit: 'ops',
      kind: 'stacked',
      queries: [
        {
          expr: `sum by (outcome) (${rateOf('transfer_duration_seconds_count', 'outcome!~"OK|CANCELLED"')})`,
          legend: '{{outcome}}',
        },
      ],
    },
    {
      title: 'Connections per transfer',
      description: 'How many connections does a transfer need? Above 1: something on the way cuts or refuses them.',
      unit: 'short',
      queries: [
        {
          expr: `sum by (direction) (${rateOf('transfer_attempts_total')}) / sum by (direction) (${rateOf('transfer_duration_seconds_count')})`,
          legend: 'attempts {{direction}}',
        },
        {
          expr: `sum by (direction) (${rateOf('transfer_reconnects_total')}) / sum by (direction) (${rateOf('transfer_duration_seconds_count')})`,
          legend: 'reconnects {{direction}}',
        },
      ],
    },
    {
      title: 'Bytes of archives',
      description: 'How many stored bytes move into and out of each archive store in a second?',
      unit: 'Bps',
      queries: [
        { expr: `sum by (store, direction) (${rateOf('archive_bytes_total')})`, legend: '{{store}} {{direction}}' },
      ],
    },
    {
      title: 'Transfers of archives by outcome',
      description: 'How do transfers of archives end? STORE_UNAVAILABLE: the store did not answer within its budget.',
      unit: 'ops',
      kind: 'stacked',
      queries: [
        {
          expr: `sum by (store, outcome) (${rateOf('archive_duration_seconds_count')})`,
          legend: '{{store}} {{outcome}}',
        },
      ],
    },
    {
      title: 'Use of the stores',
      description: 'How full are the stores that report their size?',
      unit: 'percentunit',
      limit: 0.9,
      queries: [
        {
          expr: `1 - max by (store) (${series('store_free_bytes')}) / max by (store) (${series('store_capacity_bytes')})`,
          legend: '{{store}}',
        },
      ],
    },
    {
      title: 'Free bytes of the stores in a day',
      description: 'How many bytes are free now, and in 24 hours at the pace of the last 6 hours?',
      unit: 'bytes',
      queries: [
        { expr: `max by (store) (${series('store_free_bytes')})`, legend: '{{store}} now' },
        {
          expr: `max by (store) (predict_linear(${series('store_free_bytes')}[6h], 86400))`,
          legend: '{{store}} in 24 h',
        },
      ],
    },
    {
      title: 'Bytes of archives in the stores',
      description: "How many stored bytes do the worker's archives have in each store?",
      unit: 'bytes',
      kind: 'stacked',
      queries: [{ expr: `max by (store) (${series('store_archived_bytes')})`, legend: '{{store}}' }],
    },
    {
      title: 'Volumes by state',
      description: 'How many volumes does the worker have? A growing `destroying` is a reaper that fails.',
      unit: 'short',
      kind: 'stacked',
      queries: [{ expr: `max by (state) (${series('volumes')})`, legend: '{{state}}' }],
    },
    {
      title: 'Orphans',
      description: 'What does the reaper find without a use, and cannot delete? 0 is good.',
      unit: 'short',
      kind: 'stacked',
      queries: [{ expr: `max by (kind) (${series('reaper_orphans')})`, legend: '{{kind}}' }],
    },
    {
      title: 'Deletions of the reaper',
      description: 'What does the reaper delete in a second?',
      unit: 'ops',
      kind: 'stacked',
      queries: [{ expr: `sum by (kind) (${rateOf('reaper_deleted_total')})`, legend: '{{kind}}' }],
    },
    {
      title: 'Lookups of caches',
      description: 'How often is a cache found?',
      unit: 'ops',
      kind: 'stacked',
      queries: [{ expr: `sum by (kind, outcome) (${rateOf('cache_lookups_total')})`, legend: '{{kind}} {{outcome}}' }],
    },
    {
      title: 'Bytes of caches',
      description: 'How many bytes move into and out of caches in a second?',
      unit: 'Bps',
      queries: [
        { expr: `sum by (kind, direction) (${rateOf('cache_bytes_total')})`, legend: '{{kind}} {{direction}}' },
      ],
    },
    {
      title: 'Age of the inventory',
      description: 'How old are the numbers of containers, volumes and stores?',
      unit: 's',
      queries: [{ expr: `time() - max(${series('inventory_timestamp_seconds')})`, legend: 'age' }],
    },
  ],
};
