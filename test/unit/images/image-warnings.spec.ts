import { expect } from 'chai';

import { parseImageReference } from '../../../src/images/image-reference.ts';
import { imageWarnings } from '../../../src/images/image-warnings.ts';

const digest = `sha256:${'0'.repeat(64)}`;
const warningsOf = (image: string): readonly string[] => imageWarnings(parseImageReference('image', image));

describe('imageWarnings', () => {
  for (const [image, has] of [
    ['registry.example:5000/app', 'has no tag, which means the tag latest'],
    ['registry.example:5000/app:latest', 'has the tag latest'],
  ] as const)
    it(`advises to pin a digest if ${image} is requested`, () => {
      expect(warningsOf(image)).to.deep.equal([
        `${image} ${has}: each pull may get another image, so that a step is not reproducible; pin a digest (registry.example:5000/app@sha256:…)`,
      ]);
    });

  for (const image of ['busybox:1', 'busybox:latest-1', `busybox@${digest}`, `busybox:latest@${digest}`])
    it(`has none for ${image.slice(0, 30)}`, () => {
      expect(warningsOf(image)).to.deep.equal([]);
    });
});
