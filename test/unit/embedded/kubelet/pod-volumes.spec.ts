import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { containerMounts, VolumeNotReadyError } from '../../../../src/embedded/kubelet/pod-volumes.ts';
import { rejection } from '../../../support/rejection.ts';

describe('containerMounts', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kw-volumes-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('rejects a subPath that an expansion leads through a parent, and creates nothing', async () => {
    const error = await rejection(
      containerMounts({
        container: { name: 'main', volumeMounts: [{ name: 'v', mountPath: '/v', subPathExpr: 'a/$(PART)/b' }] },
        volumes: new Map([['v', { path: folder, readOnly: false }]]),
        environment: new Map([['PART', '..']]),
      }),
    );
    expect(error).to.be.instanceOf(VolumeNotReadyError);
    expect((error as Error).message).to.equal(`subPath "a/../b" must not contain '..'`);
    expect(await readdir(folder)).to.deep.equal([]);
  });
});
