import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { generatedAlerts, generatedPanels } from '../../support/monitoring/generated.ts';
import { MonitoredSystem } from '../../support/monitoring/monitored-system.ts';
import { parseExpression, withoutVariables } from '../../support/monitoring/promql.ts';
import { patienceMs } from '../../support/patience.ts';

/** Prometheus adds them to each target, or makes the series itself. */
const targetLabels = ['namespace', 'job', 'instance'];
const ofPrometheus = ['up'];
/** A container of control groups of version 2 has them; `metrics-text.spec.ts` shows that they are served. */
const ofContainers = ['kubernetes_worker_memory_limit_bytes', 'kubernetes_worker_cpu_throttled_seconds_total'];

/** Returns the labels that occur for each series, from texts in the format of Prometheus. */
function seriesOf(texts: readonly string[]): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const line of texts.join('\n').split('\n')) {
    const [, name, labels = ''] = /^([a-z_0-9:]+)(?:\{(.*)\})? \S+$/i.exec(line) ?? [];
    if (name === undefined) continue;
    const known = found.get(name) ?? new Set();
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) known.add(label);
    found.set(name, known);
  }
  return found;
}

const used = [
  ...generatedPanels().flatMap(({ dashboard, title, targets }) =>
    targets.map(({ expr }) => ({ where: `${dashboard}: ${title}`, expr: withoutVariables(expr) })),
  ),
  ...generatedAlerts().map(({ alert, expr }) => ({ where: alert, expr })),
].map(({ where, expr }) => ({ where, ...parseExpression(expr) }));

describe('the series of dashboards and alerts', () => {
  let served: ReadonlyMap<string, ReadonlySet<string>>;

  const missingSeries = (): readonly string[] => {
    const external = [...ofPrometheus, ...ofContainers];
    return used.flatMap(({ where, selectors }) =>
      selectors
        .filter(({ name }) => !served.has(name) && !external.includes(name))
        .map(({ name }) => `${where}: ${name}`),
    );
  };

  before(async () => {
    await using system = await MonitoredSystem.start();
    await system.work();
    // Passes of the controllers make some of the series, at moments of their own.
    const until = performance.now() + patienceMs / 2;
    do {
      await sleep(200);
      served = seriesOf(await system.metricsTexts());
    } while (missingSeries().length > 0 && performance.now() < until);
  });

  it('occur in the metrics of a service and a host that work', () => {
    expect(missingSeries()).to.deep.equal([]);
  });

  it('have the labels that are matched', () => {
    const missing = used.flatMap(({ where, selectors }) =>
      selectors.flatMap(({ name, labels }) =>
        labels
          .filter((label) => !targetLabels.includes(label) && served.get(name)?.has(label) === false)
          .map((label) => `${where}: ${name}{${label}}`),
      ),
    );
    expect(missing).to.deep.equal([]);
  });

  it('have the labels by which they are grouped', () => {
    const missing = used.flatMap(({ where, selectors, groupings }) => {
      const known = new Set([...targetLabels, ...selectors.flatMap(({ name }) => [...(served.get(name) ?? [])])]);
      return groupings.filter((label) => !known.has(label)).map((label) => `${where}: ${label}`);
    });
    expect(missing).to.deep.equal([]);
  });

  it('include every series of the library and the service: what is measured is shown', () => {
    const shown = new Set(used.flatMap(({ selectors }) => selectors.map(({ name }) => name)));
    const family = (name: string): string => name.replace(/_(bucket|sum|count)$/, '');
    const families = new Set([...shown].map(family));
    const own = [...served.keys()].filter((name) => name.startsWith('kubernetes_worker_'));
    expect([...new Set(own.map(family))].filter((name) => !families.has(name))).to.deep.equal([]);
  });
});
