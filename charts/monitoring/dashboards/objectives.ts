import { errorBudget, errorRatio, startSeconds } from '../objectives.ts';
import { type Row, rateOf, selected } from './panel.ts';

const create = 'operation="container.create"';

export const objectives: Row = {
  title: 'Service level objectives',
  panels: [
    {
      title: `Containers created within ${startSeconds} s`,
      description: `Which part of the containers is created within ${startSeconds} seconds?`,
      unit: 'percentunit',
      queries: [
        {
          expr: `sum(${rateOf('operation_duration_seconds_bucket', `${create},le=~"${startSeconds}(\\\\.0)?"`)}) / sum(${rateOf('operation_duration_seconds_count', create)})`,
          legend: 'in time',
        },
      ],
    },
    {
      title: 'Steps without a failure of the system',
      description: 'Which part of the steps of a day does the system not fail? The objective is 99 %.',
      unit: 'percentunit',
      queries: [{ expr: `1 - ${errorRatio('1d', { selector: selected })}`, legend: 'in a day' }],
    },
    {
      title: 'Burn of the error budget',
      description: 'How many times faster than allowed is the budget of 1 % used, over windows of different length?',
      unit: 'short',
      limit: 1,
      queries: ['5m', '30m', '1h', '6h', '3d'].map((window) => ({
        expr: `(${errorRatio(window, { selector: selected })}) / ${errorBudget}`,
        legend: window,
      })),
    },
  ],
};
