import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';

import { expect } from 'chai';

import { prometheusName } from '../../../src/service/telemetry/prometheus-names.ts';
import { serviceMetrics } from '../../../src/service/telemetry/service-metrics.ts';
import { startTelemetry, type Telemetry } from '../../../src/service/telemetry/telemetry.ts';
import { AllSeries } from '../../support/telemetry/all-series.ts';

/** The series of the library and of the service, as `docs/metrics.md` has them. */
async function documented(): Promise<readonly string[]> {
  const page = await readFile(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
  const row = /^\| `([\w.]+)` \| (counter|gauge|histogram|up-down counter) \| (\S*) ?\|/gm;
  return [...page.matchAll(row)].map(([, name = '', kind, unit = '']) => {
    const plain = prometheusName(name, unit);
    return `${plain}${kind === 'counter' ? '_total' : ''} ${kind === 'up-down counter' ? 'gauge' : kind}`;
  });
}

describe('the metrics of the service', () => {
  let telemetry: Telemetry;
  let series: AllSeries;

  before(async () => {
    telemetry = await startTelemetry({ worker: { name: 'w', namespace: 'n' }, telemetry: { otlp: {} } });
    serviceMetrics({
      readiness: () => ({ ok: false, checks: [{ name: 'database', ok: true }] }),
      logLines: () => ({ info: 3, error: 1 }),
      reloads: () => ({ OK: 2, INVALID: 1 }),
      resources: { memoryLimitBytes: async () => 1024, throttledSeconds: async () => 1.5 },
    });
    series = new AllSeries();
    await series.build('first');
    // A collection begins the first measurement of the inventory, and has none yet.
    await telemetry.metricsText();
  });

  after(async () => {
    series[Symbol.dispose]();
    await telemetry.close();
  });

  const samples = async (): Promise<readonly string[]> =>
    (await telemetry.metricsText()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));

  it('have the names and kinds of docs/metrics.md', async () => {
    const types = [...(await telemetry.metricsText()).matchAll(/^# TYPE (\S+ \S+)$/gm)].map(([, type]) => type);
    const own = types.filter((type) => /^(kubernetes_worker|process)_/.test(type ?? ''));
    expect(own.toSorted()).to.deep.equal((await documented()).toSorted());
  });

  it('stay as many as they are, whatever the names of builds, and within the budget', async () => {
    const before = (await samples()).map((line) => line.replace(/ \S+$/, ''));
    for (let build = 0; build < 300; build += 1) await series.build(`build-${build}`);
    const after = (await samples()).map((line) => line.replace(/ \S+$/, ''));
    const isOurs = (line: string): boolean => line.startsWith('kubernetes_worker_');
    expect(after.filter(isOurs)).to.deep.equal(before.filter(isOurs));
    expect(after.length).to.be.below(700);
    expect(after.join('\n')).not.to.match(/build-\d/);
  });

  it('have the values that were recorded, in base units', async () => {
    const lines = await samples();
    expect(lines).to.include('kubernetes_worker_heartbeat_timestamp_seconds 1');
    expect(lines).to.include('kubernetes_worker_worker_state{state="running"} 1');
    expect(lines).to.include('kubernetes_worker_worker_state{state="stalled"} 0');
    expect(lines).to.include('kubernetes_worker_database_connections{state="used"} 1');
    expect(lines).to.include('kubernetes_worker_operation_active{operation="process.run"} 0');
    expect(lines).to.include('kubernetes_worker_ready 0');
    expect(lines).to.include('kubernetes_worker_check_passed{check="database"} 1');
    expect(lines).to.include('kubernetes_worker_log_messages_total{level="error"} 1');
    expect(lines).to.include('kubernetes_worker_config_reloads_total{outcome="INVALID"} 1');
    expect(lines).to.include('kubernetes_worker_memory_limit_bytes 1024');
    expect(lines).to.include('kubernetes_worker_cpu_throttled_seconds_total 1.5');
    expect(lines).to.include('kubernetes_worker_store_capacity_bytes{store="pvc"} 100');
    expect(lines).to.include('kubernetes_worker_store_free_bytes{store="pvc"} 60');
    expect(lines).to.include('kubernetes_worker_reaper_orphans{kind="pod"} 1');
    expect(lines).to.include('kubernetes_worker_connections{use="upload",state="waiting"} 2');
    expect(lines.find((line) => line.startsWith('process_resident_memory_bytes '))).to.match(/ \d{7,}$/);
  });

  it('pass `promtool check metrics`', async function () {
    const promtool = spawn('promtool', ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] });
    const missing = new Promise<'missing'>((resolve) => promtool.once('error', () => resolve('missing')));
    const started = await Promise.race([missing, once(promtool, 'spawn')]);
    if (started === 'missing') {
      if (process.env['CI'] !== undefined) throw new Error("promtool is missing: install Debian's package prometheus");
      console.warn("skipped: promtool is missing; it is in Debian's package prometheus");
      return this.skip();
    }
    promtool.stdin.end(await telemetry.metricsText());
    const [out, error, [code]] = await Promise.all([
      text(promtool.stdout),
      text(promtool.stderr),
      once(promtool, 'close'),
    ]);
    expect({ out, error, code }).to.deep.equal({ out: '', error: '', code: 0 });
  });
});
