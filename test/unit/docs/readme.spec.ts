import { expect } from 'chai';

import { FakeArtifact, FakeContainer, FakeProcess, FakeVolume, FakeWorker } from '../../../fakes/index.ts';
import { textOf } from './references.ts';

/** Returns the methods that the README's table has for an object. */
function documented(name: string): readonly string[] {
  const [, text = ''] = new RegExp(`^\\| \`${name}\` \\| (.+) \\|$`, 'm').exec(textOf('README.md')) ?? [];
  return [...text.matchAll(/`(\w+)`/g)].map(([, method = '']) => method);
}

/** Returns the methods of a contract, which its generated fake has. */
function methodsOf(fake: object): readonly string[] {
  return Object.entries(fake)
    .filter(([, member]) => typeof member === 'function')
    .map(([name]) => name);
}

describe('The table of objects in README.md', () => {
  for (const [name, fake] of [
    ['Worker', new FakeWorker()],
    ['Container', new FakeContainer()],
    ['Process', new FakeProcess()],
    ['Artifact', new FakeArtifact()],
    ['Volume', new FakeVolume()],
  ] as const)
    it(`has each method of ${name}, once`, () => {
      expect([...documented(name)].sort()).to.deep.equal([...methodsOf(fake)].sort());
    });
});
