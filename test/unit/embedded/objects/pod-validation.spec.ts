import { expect } from 'chai';
import { validatePodSpec } from '../../../../src/embedded/objects/pod-validation.ts';

describe('validatePodSpec', () => {
  const mounting = (subPath: string): object => ({
    volumes: [{ name: 'v', emptyDir: {} }],
    containers: [{ name: 'main', image: 'x', volumeMounts: [{ name: 'v', mountPath: '/v', subPath }] }],
  });

  for (const subPath of ['..', '../a', 'a/..', 'a/../b']) {
    it(`rejects the subPath ${subPath}`, () => {
      const [cause, ...more] = validatePodSpec(mounting(subPath));
      expect(more).to.deep.equal([]);
      expect(cause?.field).to.equal('spec.containers[0].volumeMounts[0].subPath');
      expect(cause?.message).to.include("must not contain '..'");
    });
  }

  it('accepts a subPath with names that begin with dots', () => {
    expect(validatePodSpec(mounting('..data/a..b'))).to.deep.equal([]);
  });
});
