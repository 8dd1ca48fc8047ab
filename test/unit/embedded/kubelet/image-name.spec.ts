import { expect } from 'chai';
import { judgeImage } from '../../../../src/embedded/kubelet/image-name.ts';

describe('judgeImage', () => {
  for (const image of [
    'busybox',
    'registry.local/busybox:1',
    'localhost:5000/a/b:v1.2',
    `a@sha256:${'0'.repeat(64)}`,
    'docker.io/library/x-y_z:T',
  ]) {
    it(`maps ${image} to this machine`, () => {
      expect(judgeImage(image).verdict).to.equal('present');
    });
  }
  for (const image of ['registry.invalid/x:1', 'invalid:5000/x', 'busybox:does-not-exist', 'does-not-exist/x']) {
    it(`cannot pull ${image}`, () => {
      expect(judgeImage(image).verdict).to.equal('unavailable');
    });
  }
  for (const image of ['', 'Upper', 'a b', 'x:', 'x:tag:tag', 'Registry/X Y:1', 'a//b', 'x@sha256:zz']) {
    it(`rejects ${JSON.stringify(image)} as an image name`, () => {
      expect(judgeImage(image).verdict).to.equal('invalid');
    });
  }
});
