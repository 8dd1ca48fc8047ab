import { expect } from 'chai';

import { render } from '../../support/chart/helm.ts';
import { containersOf, podsOf } from '../../support/chart/pods.ts';
import { oneOfKind, type RenderedObject } from '../../support/chart/rendered-object.ts';
import { everyKeyFiles, forEachValueSet } from '../../support/chart/value-sets.ts';

describe('the pods of the chart', () => {
  forEachValueSet('every container has the security context of the standard "restricted"', (objects, { name }) => {
    for (const pod of podsOf(objects)) {
      if (name !== 'openshift') expect(pod.spec.securityContext, pod.of).to.include({ runAsUser: 65532 });
      expect(pod.spec.securityContext, pod.of).to.deep.include({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      for (const container of containersOf(pod))
        expect(container.securityContext, `${pod.of}, ${container.name}`).to.deep.include({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
    }
  });

  forEachValueSet('no pod uses what belongs to the node', (objects) => {
    for (const { of, spec } of podsOf(objects)) {
      expect(spec, of).not.to.have.any.keys('hostNetwork', 'hostPID', 'hostIPC');
      for (const volume of spec.volumes ?? []) expect(volume, `${of}, ${volume.name}`).not.to.have.property('hostPath');
      for (const container of [...(spec.initContainers ?? []), ...spec.containers])
        for (const port of container.ports ?? []) expect(port, of).not.to.have.property('hostPort');
    }
  });

  // A Service named kw would otherwise add KW_PORT to the pods, which is an unknown key of the configuration.
  forEachValueSet('no pod has the variables of Services', (objects) => {
    for (const { of, spec } of podsOf(objects)) expect(spec.enableServiceLinks, of).to.equal(false);
  });

  forEachValueSet('a token of the API server is in no pod by itself, and expires where it is mounted', (objects) => {
    for (const { of, spec } of podsOf(objects)) {
      expect(spec.automountServiceAccountToken, of).to.equal(false);
      for (const { projected } of spec.volumes ?? [])
        for (const { serviceAccountToken } of projected?.sources ?? [])
          if (serviceAccountToken) expect(serviceAccountToken.expirationSeconds, of).to.be.within(600, 3600);
    }
  });

  forEachValueSet(
    'every container has requests and a limit of memory and of local storage, and none of the CPU',
    (objects) => {
      for (const pod of podsOf(objects))
        for (const { name, resources } of containersOf(pod)) {
          const where = `${pod.of}, ${name}`;
          expect(resources?.requests, where).to.have.all.keys('cpu', 'memory', 'ephemeral-storage');
          expect(resources?.limits, where).to.have.all.keys('memory', 'ephemeral-storage');
        }
    },
  );

  forEachValueSet('every writable folder has a limit', (objects) => {
    for (const { of, spec } of podsOf(objects))
      for (const { name, emptyDir } of spec.volumes ?? [])
        if (emptyDir) expect(emptyDir.sizeLimit, `${of}, ${name}`).to.be.a('string');
  });

  forEachValueSet('every mounted volume exists, and every volume is mounted', (objects) => {
    for (const pod of podsOf(objects)) {
      const mounted = containersOf(pod).flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name));
      const volumes = (pod.spec.volumes ?? []).map(({ name }) => name);
      expect([...new Set(mounted)], pod.of).to.have.members(volumes);
    }
  });

  forEachValueSet('every job and test ends', (objects) => {
    for (const { kind, metadata, ...object } of objects as readonly (RenderedObject & { readonly spec: object })[]) {
      if (kind === 'Job' && !metadata.name.includes('-soak-'))
        expect(object.spec, metadata.name).to.include.keys(
          'activeDeadlineSeconds',
          'ttlSecondsAfterFinished',
          'backoffLimit',
        );
      if (kind === 'Pod') expect(object.spec, metadata.name).to.include.keys('activeDeadlineSeconds');
    }
  });

  it("on OpenShift, users and groups are the cluster's", async () => {
    const objects = await render({ files: everyKeyFiles, values: { openshift: true } });
    for (const pod of podsOf(objects)) {
      expect(pod.spec.securityContext, pod.of).not.to.have.any.keys('runAsUser', 'runAsGroup', 'fsGroup');
      expect(pod.spec.securityContext?.runAsNonRoot, pod.of).to.equal(true);
    }
  });
});

describe('the heap of Node', () => {
  for (const [limit, heap] of [
    ['512Mi', 352],
    ['1Gi', 864],
    ['1.5Gi', 1376],
    ['1000M', 793],
    ['536870912', 352],
  ] as const)
    it(`follows from the limit of the memory: ${limit}`, async () => {
      const memory = { limits: { memory: limit, 'ephemeral-storage': '512Mi' } };
      expect(await nodeOptions({ resources: memory })).to.equal(`--max-old-space-size=${heap}`);
    });

  it('has no limit of the chart without a limit of the memory', async () => {
    expect(await nodeOptions({ resources: { limits: { memory: null } } })).to.equal(undefined);
  });

  it('is left to the values that set NODE_OPTIONS', async () => {
    const extraEnv = [{ name: 'NODE_OPTIONS', value: '--max-old-space-size=100' }];
    expect(await nodeOptions({ extraEnv })).to.equal('--max-old-space-size=100');
  });

  async function nodeOptions(values: Record<string, unknown>): Promise<string | undefined> {
    const workload = oneOfKind(await render({ profile: 'minimal', values }), 'Deployment');
    const env = workload.spec?.template.spec?.containers[0]?.env ?? [];
    const options = env.filter(({ name }) => name === 'NODE_OPTIONS');
    expect(options.length, 'NODE_OPTIONS occurs once').to.be.at.most(1);
    return options[0]?.value;
  }
});
