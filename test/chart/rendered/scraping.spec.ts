import { expect } from 'chai';
import { parse } from 'yaml';

import { type RenderOptions, render } from '../../support/chart/helm.ts';
import { ofKind, oneOfKind, type RenderedObject } from '../../support/chart/rendered-object.ts';
import { everyKeyFiles } from '../../support/chart/value-sets.ts';
import type { Values } from '../../support/chart/values.ts';

const withMonitor = { profile: 'minimal', values: { serviceMonitor: { enabled: true } } };

describe('what is scraped and probed', () => {
  for (const [name, options] of [
    ['the defaults', withMonitor],
    ['other ports of the Service', and(withMonitor, { service: { ports: { http: 80, metrics: 81 } } })],
    ['other ports of the pods', and(withMonitor, { config: { status: { port: 7001 }, metrics: { port: 7002 } } })],
  ] as const)
    it(`leads from the ServiceMonitor to the configuration: ${name}`, async () => {
      const objects = await render(options);
      const monitor = oneOfKind(objects, 'ServiceMonitor');
      const service = oneOfKind(objects, 'Service');
      expect(monitor.spec.namespaceSelector?.matchNames ?? [monitor.metadata.namespace]).to.include(
        service.metadata.namespace,
      );
      expect(service.metadata.labels).to.include(monitor.spec.selector.matchLabels);
      expect(monitor.spec.endpoints).to.have.length(1);
      expect(monitor.spec.endpoints[0]?.path ?? '/metrics').to.equal('/metrics');
      expect(configuredPort(objects, monitor.spec.endpoints[0]?.port)).to.equal(configOf(objects).metrics.port ?? 9394);
    });

  it('is the port of the status API for probes and clients', async () => {
    const objects = await render(and(withMonitor, { config: { status: { port: 7001 } } }));
    expect(configuredPort(objects, 'http')).to.equal(7001);
    const container = oneOfKind(objects, 'Deployment').spec?.template.spec?.containers[0];
    for (const probe of [container?.startupProbe, container?.readinessProbe, container?.livenessProbe])
      expect(probe?.httpGet?.port).to.equal('http');
  });

  it('listens where others reach it', async () => {
    const { status, metrics } = configOf(await render(withMonitor));
    expect([status.host, metrics.host]).to.deep.equal(['0.0.0.0', '0.0.0.0']);
  });

  it('is scraped once: no annotations beside the ServiceMonitor', async () => {
    const objects = await render({ files: everyKeyFiles });
    for (const { kind, metadata } of objects)
      expect(Object.keys(metadata.annotations ?? {}).join(), `${kind} ${metadata.name}`).not.to.contain(
        'prometheus.io',
      );
  });

  it('is let through by the policy of the service', async () => {
    const objects = await render({ files: everyKeyFiles });
    const policy = ofKind(objects, 'NetworkPolicy').find(({ metadata }) => metadata.name === 'kw-kubernetes-worker');
    const names = oneOfKind(objects, 'Deployment').spec?.template.spec?.containers[0]?.ports?.map(({ name }) => name);
    for (const { ports = [] } of policy?.spec.ingress ?? [])
      for (const { port } of ports) expect(names).to.include(port);
  });

  it('needs the objects of the operator only where the values ask for them', async () => {
    const objects = await render({ profile: 'minimal' });
    expect(objects.filter(({ apiVersion }) => apiVersion.includes('monitoring.coreos.com'))).to.deep.equal([]);
  });

  it('has alerts without those that the values leave out, each with its runbook', async () => {
    const rules = async (
      prometheusRule: Values,
    ): Promise<readonly { readonly alert?: string; readonly annotations?: object }[]> => {
      const values = { prometheusRule: { enabled: true, ...prometheusRule } };
      return oneOfKind(await render({ profile: 'minimal', values }), 'PrometheusRule').spec.groups.flatMap(
        (group) => group.rules,
      );
    };
    const all = (await rules({})).flatMap(({ alert }) => alert ?? []);
    expect(all).not.to.deep.equal([]);
    const left = await rules({ disabled: [all[0]], runbookUrl: 'https://example.com/runbook' });
    expect(left.flatMap(({ alert }) => alert ?? [])).to.deep.equal(all.slice(1));
    for (const { alert, annotations } of left)
      if (alert !== undefined)
        expect(annotations, alert).to.include({ runbook_url: `https://example.com/runbook#${alert.toLowerCase()}` });
  });
});

/** Follows a port of the Service to the number on which the container listens. */
function configuredPort(objects: readonly RenderedObject[], port: string | undefined): number | undefined {
  const ofService = oneOfKind(objects, 'Service').spec?.ports?.find(({ name }) => name === port);
  const container = oneOfKind(objects, 'Deployment').spec?.template.spec?.containers[0];
  return container?.ports?.find(({ name }) => name === ofService?.targetPort)?.containerPort;
}

interface Config {
  readonly status: { readonly host?: string; readonly port?: number };
  readonly metrics: { readonly host?: string; readonly port?: number };
}

function configOf(objects: readonly RenderedObject[]): Config {
  return parse(oneOfKind(objects, 'ConfigMap').data?.['config.yaml'] ?? '') as Config;
}

function and({ profile, values }: { readonly profile: string; readonly values: Values }, more: Values): RenderOptions {
  return { profile, values: { ...values, ...more } };
}
