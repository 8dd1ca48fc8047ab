import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api, type V1Pod } from '@kubernetes/client-node';
import { expect } from 'chai';

import type { Container, ImageOptions, KubernetesWorker } from '../../src/index.ts';
import { makeContainer, newOwner, sh } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { type KubeRegistry, kubeRegistry } from '../support/kube/kube-registry.ts';
import { type RealCluster, realCluster, realWorkers } from '../support/real-cluster.ts';
import { rejection } from '../support/rejection.ts';

const open = 'registry.local:5000';
const closed = 'registry.local:5001';
const secretName = 'pull';

describe('the check of images in a real registry', () => {
  let real: RealCluster | undefined;
  let registry: KubeRegistry;
  let database: PGlite | undefined;
  let api: CoreV1Api;
  let worker: KubernetesWorker | undefined;

  const openWith = (images: ImageOptions, imagePullSecrets: readonly string[]): Promise<KubernetesWorker> =>
    realWorkers(real!, database!, { account: undefined }).openWith({
      images: { preflight: 'enforce', plainHttpRegistries: [open, closed], ...images },
      pods: { imagePullSecrets },
    });

  before(async function () {
    real = await realCluster(this, 'preflight');
    registry = kubeRegistry(this);
    database = await newPGlite();
    api = real.kubeConfig.makeApiClient(CoreV1Api);
    const auth = Buffer.from('test:test').toString('base64');
    await api.createNamespacedSecret({
      namespace: real.namespace,
      body: {
        metadata: { name: secretName },
        type: 'kubernetes.io/dockerconfigjson',
        stringData: { '.dockerconfigjson': JSON.stringify({ auths: { [closed]: { auth } } }) },
      },
    });
    worker = await openWith({ pinDigests: true, preflightFreshMs: 1 }, [secretName]);
  });

  after(async () => {
    await worker?.close();
    await real?.remove();
    await database?.close();
  });

  async function podOf({ handle }: Container): Promise<V1Pod> {
    const labelSelector = `kubernetes-worker/handle=${handle}`;
    const { items } = await api.listNamespacedPod({ namespace: real!.namespace, labelSelector });
    expect(items).to.have.length(1);
    return items[0]!;
  }

  async function refusal(of: KubernetesWorker, image: string): Promise<Error> {
    const before = (await api.listNamespacedPod({ namespace: real!.namespace })).items.length;
    const error = await rejection(of.findOrCreateContainer(newOwner(), { image }));
    expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'image' });
    expect((await api.listNamespacedPod({ namespace: real!.namespace })).items).to.have.length(before);
    return error;
  }

  for (const [what, image, words] of [
    ['that does not exist', `${open}/none:1`, 'does not exist'],
    ['without the tag', `${open}/busybox:no-such-tag`, 'does not exist'],
    ['for another machine', `${open}/other-arch:1`, /exists for \w+, not for \w+/],
  ] as const) {
    it(`refuses an image ${what} before a pod is created`, async () => {
      expect((await refusal(worker!, image)).message).to.match(new RegExp(words));
    });
  }

  it('refuses an image that needs a password without one, and uses the password of a pull secret', async () => {
    await using stranger = await openWith({}, []);
    expect((await refusal(stranger, `${closed}/busybox:1`)).message).to.include('pods.imagePullSecrets');
    const { container } = await makeContainer(worker!, `${closed}/busybox:1`);
    expect((await sh(container, 'echo works')).stdout).to.equal('works\n');
  });

  it('pins the digest of a tag, also after the tag has moved', async () => {
    const tag = `moving-${String(Date.now())}`;
    const image = `docker:///${open}/busybox:${tag}`;
    for (const from of ['1', '1.35']) {
      await registry.tag('busybox', from, tag);
      const { container } = await makeContainer(worker!, image);
      const { metadata, spec } = await podOf(container);
      expect(spec?.containers[0]?.image).to.equal(`${open}/busybox@${await digestOf(from)}`);
      expect(metadata?.annotations).to.include({
        'kubernetes-worker/requested-images': JSON.stringify({ main: image }),
      });
    }
    expect(await digestOf('1')).to.not.equal(await digestOf('1.35'));
  });
});

/** Returns the registry's own digest of a tag of `busybox`. */
async function digestOf(tag: string): Promise<string | null> {
  const headers = { accept: 'application/vnd.docker.distribution.manifest.v2+json' };
  const answer = await fetch(`http://${open}/v2/busybox/manifests/${tag}`, { method: 'HEAD', headers });
  return answer.headers.get('docker-content-digest');
}
