import { quantileOf, type Row, rateOf, series } from './panel.ts';

export const dependencies: Row = {
  title: 'Kubernetes API and database',
  panels: [
    {
      title: 'Requests to the API server',
      description: 'How many requests are sent in a second? Attempts to connect to pods are `create pods/exec`.',
      unit: 'reqps',
      kind: 'stacked',
      queries: [{ expr: `sum by (verb, resource) (${rateOf('api_requests_total')})`, legend: '{{verb}} {{resource}}' }],
    },
    {
      title: 'Requests that fail',
      description: 'Which requests does the API server refuse or not answer? 429 is throttling.',
      unit: 'reqps',
      kind: 'stacked',
      queries: [
        {
          expr: `sum by (status, verb, resource) (${rateOf('api_requests_total', 'status=~"4..|5..|none"')})`,
          legend: '{{status}} {{verb}} {{resource}}',
        },
      ],
    },
    {
      title: 'Latency of the API server, p95',
      description: 'How long does the API server take to respond?',
      unit: 's',
      limit: 1,
      queries: [{ expr: quantileOf(0.95, 'api_duration_seconds', { by: ['verb'] }), legend: '{{verb}}' }],
    },
    {
      title: 'Restarts of the watch',
      description: 'Why does the watch of pods begin again? `ended` is normal every few minutes.',
      unit: 'ops',
      kind: 'stacked',
      queries: [{ expr: `sum by (reason) (${rateOf('watch_restarts_total')})`, legend: '{{reason}}' }],
    },
    {
      title: 'Places of connections to pods',
      description: 'Which part of the places for connections to pods is used? At 1, calls wait.',
      unit: 'percentunit',
      limit: 0.9,
      queries: [
        {
          expr: `max by (use) (${series('connections', 'state="used"')} / ignoring (state) ${series('connections', 'state="limit"')})`,
          legend: '{{use}}',
        },
      ],
    },
    {
      title: 'Connections to the database',
      description: 'How many connections does the pool use, and how many statements wait for one?',
      unit: 'short',
      queries: [{ expr: `sum by (state) (${series('database_connections')})`, legend: '{{state}}' }],
    },
    {
      title: 'Latency of statements',
      description: 'How long do statements take, with the wait for a connection?',
      unit: 's',
      limit: 1,
      queries: [
        { expr: quantileOf(0.5, 'database_duration_seconds'), legend: 'p50' },
        { expr: quantileOf(0.95, 'database_duration_seconds'), legend: 'p95' },
      ],
    },
    {
      title: 'Statements by outcome',
      description: 'How do statements end? REPOSITORY_UNAVAILABLE: the database does not answer.',
      unit: 'ops',
      kind: 'stacked',
      queries: [{ expr: `sum by (outcome) (${rateOf('database_statements_total')})`, legend: '{{outcome}}' }],
    },
  ],
};
