import { readFileSync } from 'node:fs';

import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';

import { render } from '../../support/chart/helm.ts';
import { type Values } from '../../support/chart/values.ts';

const guide = readFileSync(new URL('../../../docs/deploy.md', import.meta.url), 'utf8');

/** Returns the YAML of the appendix, block by block. */
function appendix(): readonly (readonly Record<string, unknown>[])[] {
  const [, text = ''] = guide.split('## Appendix: GKE');
  return [...text.matchAll(/^( *)```yaml\n([\s\S]*?)^ *```$/gm)].map(([, , block = '']) =>
    parseAllDocuments(block.replaceAll(/^ {3}/gm, '')).map((document) => document.toJS() as Record<string, unknown>),
  );
}

describe('The appendix about GKE of docs/deploy.md', () => {
  it('has values that the chart accepts: the annotations of Workload Identity, the claim and that of the driver', async () => {
    const [, [values]] = appendix() as [unknown, [Values]];
    const objects = await render({ profile: 'minimal', values, release: 'kubernetes-worker' });
    const accounts = objects.filter(({ kind }) => kind === 'ServiceAccount');
    expect(accounts.map(({ metadata }) => metadata.name)).to.have.members([
      'kubernetes-worker',
      'kubernetes-worker-steps',
    ]);
    for (const { metadata } of accounts)
      expect(metadata.annotations).to.deep.equal({
        'iam.gke.io/gcp-service-account': 'ci@PROJECT.iam.gserviceaccount.com',
      });
    expect(objects.map(({ kind }) => kind)).not.to.include('PersistentVolumeClaim');
    const configMap = objects.find(({ kind }) => kind === 'ConfigMap') as unknown as { data: Record<string, string> };
    const [config] = parseAllDocuments(configMap.data['config.yaml']!).map((document) => document.toJS());
    expect(config.stores).to.deep.equal({
      pvc: { claim: 'ci-archives', pod: { annotations: { 'gke-gcsfuse/volumes': 'true' } } },
    });
  });

  it('binds the claim of the values to a volume of the driver, with mount options for the user of the store pod', () => {
    const [[volume, claim], [values]] = appendix() as unknown as [
      [{ metadata: { name: string }; spec: object }, { metadata: { name: string }; spec: object }],
      [{ store: { pvc: { existingClaim: string } } }],
    ];
    expect(claim.metadata.name).to.equal(values.store.pvc.existingClaim);
    expect(claim.spec).to.include({ volumeName: volume.metadata.name, storageClassName: 'gcs-fuse' });
    expect(volume.spec).to.deep.include({
      mountOptions: ['implicit-dirs', 'uid=65532', 'gid=65532'],
      csi: { driver: 'gcsfuse.csi.storage.gke.io', volumeHandle: 'BUCKET' },
    });
  });
});
