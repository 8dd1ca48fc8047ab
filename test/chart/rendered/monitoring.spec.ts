import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { expect } from 'chai';
import { parse, stringify } from 'yaml';

import { alertLimits } from '../../support/monitoring/alert-limits.ts';
import { alertsFile, generatedAlerts, generatedPanels } from '../../support/monitoring/generated.ts';
import { failedLimits } from '../../support/monitoring/limit-tests.ts';
import { MonitoredSystem } from '../../support/monitoring/monitored-system.ts';
import { promtool } from '../../support/monitoring/prometheus-program.ts';
import { PrometheusServer } from '../../support/monitoring/prometheus-server.ts';
import { withoutVariables } from '../../support/monitoring/promql.ts';

const ruleTests = fileURLToPath(new URL('../../rules/', import.meta.url));

/** The expressions of all panels, by the dashboard and the title. */
const panelExpressions = generatedPanels().flatMap(({ dashboard, title, targets }) =>
  targets.map(({ refId, expr }) => ({
    where: `${dashboard}: ${title}, ${refId}`,
    expr: withoutVariables(expr, '30s'),
  })),
);

/** Panels without a line while all is well, or without the container of a cluster. */
const mayBeEmpty = [
  'Checks that fail',
  'Transfers that fail',
  'Resident memory, B',
  'Throttling of the CPU',
  'Steps that fail for a reason of the system',
  'Burn of the error budget',
  'Steps without a failure of the system',
];

/** The series of steps that have ended. */
const endedSteps = 'kubernetes_worker_operation_results_total{operation="process.run",outcome="OK"}';

describe('the alerts of the chart, with promtool', () => {
  it('pass `check rules` with all lints', async () => {
    const { exitCode, output } = await promtool(['check', 'rules', '--lint=all', '--lint-fatal', alertsFile]);
    expect(exitCode, output).to.equal(0);
    expect(output).to.contain(`SUCCESS: ${generatedAlerts().length} rules found`);
  });

  it('fire and do not fire as test/rules has it', async () => {
    const files = (await readdir(ruleTests)).map((name) => join(ruleTests, name));
    const { exitCode, output } = await promtool(['test', 'rules', ...files]);
    expect(exitCode, output).to.equal(0);
  });

  it('have a test in which they fire, and one in which they do not', async () => {
    const cases: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[] = [];
    for (const name of await readdir(ruleTests))
      cases.push(...parse(await readFile(join(ruleTests, name), 'utf8')).tests);
    const tested = cases.flatMap(({ alert_rule_test: tests }) => tests);
    const namesOf = (fires: boolean): ReadonlySet<string> =>
      new Set(tested.filter(({ exp_alerts: alerts }) => alerts.length > 0 === fires).map(({ alertname }) => alertname));
    const names = generatedAlerts().map(({ alert }) => alert);
    for (const fires of [true, false]) expect([...namesOf(fires)].toSorted()).to.deep.equal(names.toSorted());
  });

  it('fire just above their limits and after their waits, and neither below nor before', async function () {
    this.timeout(120_000);
    const alerts = generatedAlerts();
    expect(Object.keys(alertLimits)).to.deep.equal(alerts.map(({ alert }) => alert));
    expect([...(await failedLimits(alerts)).values()].join('\n')).to.equal('');
  });
});

describe('the panels of the chart, with promtool', () => {
  it('have expressions that promtool accepts', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kw-panels-'));
    const file = join(folder, 'panels.yml');
    const rules = panelExpressions.map(({ expr }, index) => ({ record: `panel_${index}`, expr }));
    await writeFile(file, stringify({ groups: [{ name: 'panels', rules }] }));
    const { exitCode, output } = await promtool(['check', 'rules', file]);
    await rm(folder, { recursive: true });
    expect(exitCode, output).to.equal(0);
  });
});

describe('a Prometheus that scrapes a service and a host', function () {
  this.timeout(180_000);
  let system: MonitoredSystem;
  let prometheus: PrometheusServer;

  before(async () => {
    system = await MonitoredSystem.start();
    const [service, host] = system.targets;
    prometheus = await PrometheusServer.start({ 'kubernetes-worker': service, host }, alertsFile);
    await system.work();
    // A rate is that of a series that was scraped before: the second work increases those of the first one.
    while ((await prometheus.count(endedSteps)) === 0) await sleep(200);
    await sleep(2_500);
    await system.work();
    while ((await prometheus.rules()).some(({ health }) => health === 'unknown')) await sleep(500);
    await sleep(2_500);
  });

  after(async () => {
    await prometheus?.[Symbol.asyncDispose]();
    await system?.[Symbol.asyncDispose]();
  });

  it('evaluates every alert without an error', async () => {
    const rules = await prometheus.rules();
    const names = rules.map(({ name }) => name);
    expect(names.toSorted()).to.deep.equal(
      generatedAlerts()
        .map(({ alert }) => alert)
        .toSorted(),
    );
    expect(rules.filter(({ health }) => health !== 'ok')).to.deep.equal([]);
  });

  it('fires no critical alert about a service that is well', async () => {
    const critical = generatedAlerts().filter(({ labels }) => labels['severity'] === 'critical');
    const firing = (await prometheus.rules()).filter(({ state }) => state === 'firing').map(({ name }) => name);
    expect(critical.map(({ alert }) => alert).filter((name) => firing.includes(name))).to.deep.equal([]);
  });

  it('has data for every panel, except for those that show faults', async () => {
    const empty = async (): Promise<readonly string[]> => {
      const found: string[] = [];
      for (const { where, expr } of panelExpressions) if ((await prometheus.count(expr)) === 0) found.push(where);
      return found.filter((where) => !mayBeEmpty.some((title) => where.includes(title)));
    };
    let unexpected = await empty();
    // A busy machine is scraped late.
    for (let tries = 0; unexpected.length > 0 && tries < 60; tries += 1) {
      await sleep(1_000);
      unexpected = await empty();
    }
    expect(unexpected).to.deep.equal([]);
  });
});
