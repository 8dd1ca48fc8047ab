import { expect } from 'chai';

import { render } from '../../support/chart/helm.ts';
import { ofKind, oneOfKind, type RenderedObject } from '../../support/chart/rendered-object.ts';
import { everyKeyFiles, forEachValueSet } from '../../support/chart/value-sets.ts';
import type { Values } from '../../support/chart/values.ts';

describe('the workload of the service', () => {
  forEachValueSet('is exactly one object, with the probes of the service', (objects) => {
    const { spec } = workloadOf(objects);
    expect(spec?.template.spec?.containers).to.have.length(1);
    const container = spec?.template.spec?.containers[0];
    expect(container?.args?.[0]).to.equal('serve');
    for (const [probe, path] of [
      [container?.startupProbe, '/startupz'],
      [container?.readinessProbe, '/readyz'],
      [container?.livenessProbe, '/livez'],
    ] as const)
      expect(probe?.httpGet).to.deep.equal({ path, port: 'http' });
  });

  it('is a Rollout instead of a Deployment, with the same pods', async () => {
    const deployment = oneOfKind(await render({ profile: 'minimal' }), 'Deployment');
    const objects = await render({ profile: 'minimal', values: { rollout: { enabled: true } } });
    expect(ofKind(objects, 'Deployment')).to.deep.equal([]);
    const rollout = oneOfKind(objects, 'Rollout');
    expect(rollout.spec?.template).to.deep.equal(deployment.spec?.template);
    expect(rollout.spec?.selector).to.deep.equal(deployment.spec?.selector);
    expect(rollout.metadata.name).to.equal(deployment.metadata.name);
  });

  for (const isRollout of [false, true])
    it(`has no number of replicas where an autoscaler sets it: ${isRollout ? 'Rollout' : 'Deployment'}`, async () => {
      const values = { autoscaling: { enabled: true }, rollout: { enabled: isRollout } };
      const objects = await render({ profile: 'minimal', values });
      const workload = workloadOf(objects);
      expect(workload.spec).not.to.have.property('replicas');
      const { scaleTargetRef } = oneOfKind(objects, 'HorizontalPodAutoscaler').spec ?? {};
      expect(scaleTargetRef).to.deep.equal({
        apiVersion: workload.apiVersion,
        kind: workload.kind,
        name: workload.metadata.name,
      });
      expect(workloadOf(await render({ profile: 'minimal' })).spec?.replicas).to.equal(1);
    });

  it('has a budget for disruptions as soon as it has a second replica', async () => {
    const budgets = async (values: Values): Promise<number> =>
      ofKind(await render({ profile: 'minimal', values }), 'PodDisruptionBudget').length;
    expect(await budgets({})).to.equal(0);
    expect(await budgets({ replicaCount: 2 })).to.equal(1);
    expect(await budgets({ autoscaling: { enabled: true } })).to.equal(1);
    expect(await budgets({ replicaCount: 2, podDisruptionBudget: { enabled: false } })).to.equal(0);
    expect(await budgets({ podDisruptionBudget: { enabled: true } })).to.equal(1);
  });

  it('replaces its pods when the configuration changes, and not for keys that apply at once', async () => {
    const before = await checksum({});
    expect(before).to.match(/^[0-9a-f]{64}$/);
    expect(await checksum({ config: { limits: { leaseMs: 45_000 } } })).not.to.equal(before);
    expect(await checksum({ config: { worker: { name: 'other' } } })).not.to.equal(before);
    expect(await checksum({ config: { logging: { level: 'debug' } } }), 'logging.level').to.equal(before);
    expect(await checksum({ config: { shutdown: { graceMs: 1000 } } }), 'shutdown.graceMs').to.equal(before);
    expect(await checksum({ replicaCount: 3 }), 'replicaCount').to.equal(before);
  });

  it('has the defaults if the section of the configuration is empty, as when all its keys are comments', async () => {
    expect(await render({ profile: 'minimal', values: { config: null } })).to.deep.equal(
      await render({ profile: 'minimal' }),
    );
  });

  it('is not restarted when a soak, a test or monitoring is switched on', async () => {
    const options = { profile: 'minimal' };
    const template = workloadOf(await render(options)).spec?.template;
    const more = { soak: { enabled: true }, tests: { enabled: false }, serviceMonitor: { enabled: true } };
    expect(workloadOf(await render({ ...options, values: more })).spec?.template).to.deep.equal(template);
  });

  async function checksum(values: Values): Promise<string | undefined> {
    const workload = workloadOf(await render({ profile: 'minimal', values }));
    return workload.spec?.template.metadata?.annotations?.['checksum/config'];
  }
});

describe('migrations', () => {
  it('are a job that precedes the release, whose objects do not need those of the release', async () => {
    const objects = await render({ files: everyKeyFiles });
    const isHook = ({ metadata }: RenderedObject): boolean =>
      metadata.annotations?.['helm.sh/hook'] === 'pre-install,pre-upgrade';
    const hooks = objects.filter(isHook);
    const job = ofKind(hooks, 'Job')[0];
    const spec = job?.spec?.template.spec;
    expect(spec?.containers[0]?.args?.[0]).to.equal('migrate');
    const named = [
      ['ServiceAccount', spec?.serviceAccountName],
      ...(spec?.volumes ?? [])
        .filter(({ configMap }) => configMap)
        .map(({ configMap }) => ['ConfigMap', configMap?.name]),
    ];
    // The values mount one more config map, which is not the chart's.
    for (const [kind, name] of named.filter(([, n]) => n !== 'ca')) {
      const hook = hooks.find((object) => object.kind === kind && object.metadata.name === name);
      expect(hook, `${String(kind)} ${String(name)}`).not.to.equal(undefined);
      expect(weight(hook), `${String(kind)} ${String(name)}`).to.be.lessThan(weight(job));
    }
  });

  it("are the service's own without the job, and only then", async () => {
    const configOf = async (values: Values): Promise<string> =>
      ofKind(await render({ profile: 'minimal', values }), 'ConfigMap').at(-1)?.data?.['config.yaml'] ?? '';
    expect(await configOf({})).not.to.contain('migrate');
    expect(await configOf({ jobs: { migrate: { enabled: true } } })).to.contain('migrate: false');
  });

  function weight(object: RenderedObject | undefined): number {
    return Number(object?.metadata.annotations?.['helm.sh/hook-weight']);
  }
});

/** Returns the only workload of the service, of whatever kind it is. */
function workloadOf(objects: readonly RenderedObject[]): ReturnType<typeof oneOfKind<'Deployment'>> {
  const kinds = ['Deployment', 'Rollout', 'StatefulSet', 'ReplicaSet'];
  const workloads = objects.filter(({ kind }) => kinds.includes(kind));
  expect(workloads.map(({ kind }) => kind)).to.have.length(1);
  return oneOfKind(objects, workloads[0]?.kind === 'Rollout' ? 'Rollout' : 'Deployment');
}
