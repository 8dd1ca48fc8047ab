import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { stringify } from 'yaml';

import { alertLimits } from './alert-limits.ts';
import type { GeneratedAlert } from './generated.ts';
import type { LimitCase } from './limit-cases.ts';
import { promtool } from './prometheus-program.ts';

/** Returns the alerts that do not fire as the cases of `alertLimits` have it, with what promtool says of each. */
export async function failedLimits(alerts: readonly GeneratedAlert[]): Promise<ReadonlyMap<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'kw-limits-'));
  try {
    const tests = await Promise.all(alerts.map(async (alert) => await writeTest(folder, alert)));
    const { output } = await promtool(['test', 'rules', ...tests]);
    const answers = output.split(/^Unit Testing: +/m).slice(1);
    const failed = answers.filter((answer) => !/^ *SUCCESS$/m.test(answer));
    if (answers.length !== alerts.length) throw new Error(`promtool answers for ${answers.length} files: ${output}`);
    return new Map(failed.map((answer) => [/(\w+)\.test\.yml/.exec(answer)?.[1] ?? answer, answer]));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Writes the alert, and the tests of its limits, beside each other: promtool evaluates no other alert. */
async function writeTest(folder: string, { alert, expr, for: wait }: GeneratedAlert): Promise<string> {
  const rules = join(folder, `${alert}.yml`);
  await writeFile(rules, stringify({ groups: [{ name: alert, rules: [{ alert, expr, for: wait }] }] }));
  const file = join(folder, `${alert}.test.yml`);
  const cases = alertLimits[alert] ?? [];
  const tests = cases.map((each) => testOf(alert, each));
  const evaluation = `${cases[0]?.stepSeconds ?? 10}s`;
  await writeFile(file, stringify({ rule_files: [rules], evaluation_interval: evaluation, tests }));
  return file;
}

function testOf(alert: string, { title, stepSeconds, series, silent, firing }: LimitCase): object {
  const expr = `count(ALERTS{alertname="${alert}",alertstate="firing"})`;
  const at = (seconds: number, samples: readonly object[]): object => ({
    expr,
    eval_time: `${seconds}s`,
    exp_samples: samples,
  });
  return {
    name: `${alert} ${title}`,
    interval: `${stepSeconds}s`,
    input_series: Object.entries(series).map(([selector, values]) => ({ series: selector, values })),
    promql_expr_test: [
      ...silent.map((seconds) => at(seconds, [])),
      ...firing.map((seconds) => at(seconds, [{ labels: '{}', value: 1 }])),
    ],
  };
}
