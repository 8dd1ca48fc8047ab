import { expect } from 'chai';

import type { PreflightRequest } from '../../../src/images/image-preflight.ts';
import { imageSettings } from '../../../src/images/image-settings.ts';
import {
  type RequestedImages,
  StepImageResolver,
  type StepImageResolverComponents,
} from '../../../src/images/step-images.ts';
import type { ImageOptions } from '../../../src/runtime/image.ts';
import { rejection } from '../../support/rejection.ts';

const plain: RequestedImages = { image: 'busybox', resourceType: undefined, sidecars: [], architecture: undefined };
const resolverOf = (options: ImageOptions, preflight?: StepImageResolverComponents['preflight']): StepImageResolver =>
  new StepImageResolver({ ...imageSettings(options, 'pause'), preflight, architecture: async () => 'arm64' });

describe('StepImageResolver', () => {
  it('returns the images of the step and its sidecars in one form, and what was requested where it differs', async () => {
    const sidecars = [
      { name: 'db', image: 'docker:///postgres:17', args: ['-x'] },
      { name: 'proxy', image: 'registry.example/proxy' },
    ];
    const images = await resolverOf({ registryPrefix: 'mirror.example' }).resolve('main', { ...plain, sidecars }, {});
    expect(images).to.deep.equal({
      image: 'mirror.example/busybox',
      sidecars: [
        { name: 'db', image: 'mirror.example/postgres:17', args: ['-x'] },
        { name: 'proxy', image: 'registry.example/proxy' },
      ],
      requestedImages: { main: 'busybox', db: 'docker:///postgres:17' },
    });
  });

  it('returns the image of the policy for a step without one', async () => {
    const resolver = resolverOf({ policy: { resourceTypes: { git: 'git:1' } } });
    expect(await resolver.resolve('main', { ...plain, image: undefined, resourceType: 'git' }, {})).to.deep.equal({
      image: 'git:1',
      sidecars: [],
      requestedImages: {},
    });
  });

  it('rejects with the field of an image that is missing or not permitted', async () => {
    const sidecars = [{ name: 'db', image: 'postgres' }];
    const policy = { rules: [{ name: 'no postgres', deny: ['docker.io/library/postgres'] }] };
    const field = async (requested: RequestedImages) =>
      (await rejection(resolverOf({ policy }).resolve('main', requested, {}))) as Error & { field: string };
    expect(await field({ ...plain, image: undefined })).to.include({ field: 'image' });
    expect(await field({ ...plain, image: 'postgres' })).to.include({ field: 'image' });
    expect(await field({ ...plain, sidecars })).to.include({ field: 'sidecars[0].image' });
  });

  it('returns the references that the check of all images gives, for the architecture of the pod', async () => {
    const checked: unknown[] = [];
    const preflight = {
      check: async ({ field, reference, architecture }: PreflightRequest) => {
        checked.push([field, architecture]);
        return { ...reference, tag: 'checked' };
      },
    };
    const sidecars = [{ name: 'db', image: 'postgres' }];
    const resolver = resolverOf({}, preflight);
    expect(await resolver.resolve('main', { ...plain, sidecars }, {})).to.deep.equal({
      image: 'busybox:checked',
      sidecars: [{ name: 'db', image: 'postgres:checked' }],
      requestedImages: { main: 'busybox', db: 'postgres' },
    });
    expect(checked).to.deep.equal([
      ['image', 'arm64'],
      ['sidecars[0].image', 'arm64'],
    ]);
    await resolver.resolve('main', { ...plain, architecture: 'amd64' }, {});
    expect(checked.at(-1)).to.deep.equal(['image', 'amd64']);
  });

  it('warns of a reference without a digest, wherever it comes from', () => {
    const resolver = resolverOf({ registryPrefix: 'mirror.example', policy: { defaultImage: 'app:latest' } });
    const [warning, ...more] = resolver.explain({}).warnings;
    expect(warning).to.match(/^mirror\.example\/app:latest has the tag latest/);
    expect(more).to.deep.equal([]);
    expect(resolver.explain({ image: 'app:1' }).warnings).to.deep.equal([]);
    expect(resolverOf({}).explain({}).warnings).to.deep.equal([]);
  });

  it('asks no registry about an image that is not permitted', async () => {
    const preflight = { check: () => Promise.reject(new Error('asked')) };
    const policy = { rules: [{ name: 'none', allow: [] }] };
    expect(await rejection(resolverOf({ policy }, preflight).resolve('main', plain, {}))).to.include({
      field: 'image',
    });
  });
});

describe('imageSettings', () => {
  it('completes the volume image like every other', () => {
    expect(imageSettings({ registryPrefix: 'mirror.example' }, 'docker:///pause:3').volumeImage).to.equal(
      'mirror.example/pause:3',
    );
  });

  for (const [field, options, volumeImage] of [
    ['volumeImage', {}, 'PAUSE'],
    ['images.registryPrefix', { registryPrefix: 'mirror' }, 'pause'],
    ['images.pinDigests', { pinDigests: true }, 'pause'],
    ['images.preflightFreshMs', { preflightFreshMs: 0 }, 'pause'],
    ['images.plainHttpRegistries[0]', { plainHttpRegistries: ['registry.example/path'] }, 'pause'],
  ] as const)
    it(`refuses an invalid ${field}`, () => {
      expect(() => imageSettings(options, volumeImage))
        .to.throw(Error)
        .with.property('field', field);
    });
});
