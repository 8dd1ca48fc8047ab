import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { requiredPermissions } from '../../../src/kubernetes/required-permissions.ts';
import { loadConfig } from '../../../src/service/config/load-config.ts';
import { checkWorkerConfig } from '../../../src/service/config/worker-options.ts';
import { configOf, readServiceManifest } from '../../support/image/service-manifest.ts';

describe('examples/cluster/service.yaml', () => {
  const manifest = readServiceManifest();
  const pod = manifest.deployment.spec!.template.spec!;
  const [container] = pod.containers;

  it('grants its service account exactly the permissions that a worker needs', () => {
    const granted = (manifest.role.rules ?? []).flatMap(({ apiGroups = [], resources = [], verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}`)),
      ),
    );
    const needed = requiredPermissions.flatMap(({ apiGroup, resource, verbs }) =>
      verbs.map((verb) => `${apiGroup}/${resource} ${verb}`),
    );
    expect(granted).to.have.members([...new Set(needed)]);
    expect(manifest.roleBinding.roleRef.name).to.equal(manifest.role.metadata?.name);
    expect(manifest.roleBinding.subjects?.map(({ name }) => name)).to.deep.equal([pod.serviceAccountName]);
  });

  it('has a configuration that the service accepts', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kw-example-'));
    try {
      const file = join(folder, 'config.yaml');
      await writeFile(file, manifest.configMap.data?.['config.yaml'] ?? '');
      const loaded = await loadConfig({ file, env: {}, flags: {} });
      await checkWorkerConfig(loaded);
      expect(loaded.config.status).to.include({ host: '0.0.0.0', auth: 'token' });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('reads each secret from a file of its secret', () => {
    const { mountPath } = container!.volumeMounts!.find(({ name }) => name === 'secrets')!;
    const config = JSON.stringify(configOf(manifest));
    for (const name of Object.keys(manifest.secret.stringData ?? {}))
      expect(config).to.contain(`"${mountPath}/${name}"`);
  });

  it('ends 15 seconds after the transfers have to end', () => {
    const { graceMs } = configOf(manifest).shutdown;
    expect(pod.terminationGracePeriodSeconds! * 1_000).to.equal(graceMs + 15_000);
  });

  it('leads from the service to the ports and the pods of the deployment', () => {
    expect(manifest.service.spec?.selector).to.deep.equal(manifest.deployment.spec!.template.metadata!.labels);
    expect(manifest.service.spec?.ports?.map(({ targetPort }) => targetPort)).to.deep.equal(
      container!.ports!.map(({ name }) => name),
    );
  });
});
