import { expect } from 'chai';
import fc from 'fast-check';

import { InvalidSpecError } from '../../../src/errors/caller.ts';
import {
  canonicalImage,
  checkRegistryPrefix,
  formatImageReference,
  type ImageReference,
  parseImageReference,
  qualifyImage,
} from '../../../src/images/image-reference.ts';

const sha256 = `sha256:${'0123456789abcdef'.repeat(4)}`;
const parse = (text: string): ImageReference => parseImageReference('image', text);

/** Arbitrary references by the grammar. Each differs from what the parser accepts by mistake in no part. */
const alphanumeric = fc.stringMatching(/^[a-z0-9]{1,6}$/);
const pathPart = fc
  .array(fc.tuple(fc.constantFrom('.', '_', '__', '-', '---'), alphanumeric), { maxLength: 2 })
  .chain((more) => alphanumeric.map((first) => first + more.map(([separator, rest]) => separator + rest).join('')));
const registry = fc.oneof(
  fc.constantFrom(
    'localhost',
    'docker.io',
    'registry.example',
    'Registry.Example:5000',
    '[::1]:5000',
    'REGISTRY',
    'a:1',
  ),
  fc.tuple(alphanumeric, alphanumeric).map(([host, domain]) => `${host}.${domain}`),
);
/** A first folder with a dot would be a host. */
const repository = fc
  .array(pathPart, { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'))
  .filter((path) => !/^[^/]*\.[^/]*\//.test(path) && !path.startsWith('localhost/') && !/^[0-9a-f]{64}$/.test(path));
const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/);
const digest = fc.constantFrom(sha256, `sha512:${'ab'.repeat(64)}`, `sha384:${'0f'.repeat(48)}`);
const none = fc.constant(undefined);
const reference = fc.record({
  registry: fc.oneof(none, registry),
  repository,
  tag: fc.oneof(none, tag),
  digest: fc.oneof(none, digest),
});

describe('parseImageReference', () => {
  for (const [text, expected] of Object.entries({
    busybox: [undefined, 'busybox', undefined, undefined],
    'busybox:1': [undefined, 'busybox', '1', undefined],
    'team/app': [undefined, 'team/app', undefined, undefined],
    'docker://busybox': [undefined, 'busybox', undefined, undefined],
    'docker:///busybox:1': [undefined, 'busybox', '1', undefined],
    'raw:///busybox': [undefined, 'busybox', undefined, undefined],
    'localhost/app': ['localhost', 'app', undefined, undefined],
    'localhost:5000': [undefined, 'localhost', '5000', undefined],
    'reg.example:5000/a/b:t': ['reg.example:5000', 'a/b', 't', undefined],
    [`reg.example/a@${sha256}`]: ['reg.example', 'a', undefined, sha256],
    [`reg.example/a:t@${sha256}`]: ['reg.example', 'a', 't', sha256],
    '[::1]:5000/a': ['[::1]:5000', 'a', undefined, undefined],
  })) {
    it(`parses ${text} [A4]`, () => {
      const { registry: host, repository: path, tag: label, digest: hash } = parse(text);
      expect([host, path, label, hash]).to.deep.equal(expected);
    });
  }

  for (const text of [
    '',
    'docker://',
    'docker://docker://busybox',
    'docker:////busybox',
    'https://registry.example/app',
    ' busybox',
    'busybox\n',
    'a b',
    'UPPER',
    'team/UPPER',
    'a//b',
    '/a',
    'a/',
    'a..b',
    'a___b',
    '-a',
    'a-',
    'a:',
    'a:-x',
    `a:${'t'.repeat(129)}`,
    'a@',
    'a@sha256:0',
    `a@sha256:${'g'.repeat(64)}`,
    `a@${sha256.toUpperCase()}`,
    `a@md5:${'0'.repeat(32)}`,
    `a@${sha256}@${sha256}`,
    `a@${sha256}:t`,
    'reg_istry.example/a',
    'registry.example:port/a',
    'registry.example:/a',
    '0123456789abcdef'.repeat(4),
    'a'.repeat(256),
    `registry.example/${'a'.repeat(239)}`,
  ]) {
    it(`refuses ${JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)} and names the field`, () => {
      expect(() => parseImageReference('sidecars[1].image', text))
        .to.throw(InvalidSpecError)
        .with.property('field', 'sidecars[1].image');
    });
  }

  it('accepts names of 255 and tags of 128 characters', () => {
    expect(parse('a'.repeat(255)).repository).to.have.length(255);
    expect(parse(`registry.example/${'a'.repeat(238)}`).repository).to.have.length(238);
    expect(parse(`a:${'t'.repeat(128)}`).tag).to.have.length(128);
  });

  it('never prints the credentials of a URL', () => {
    for (const text of ['https://me:hunter2@registry.example/app', 'me:hunter2@registry.example/app:1'])
      expect(() => parse(text))
        .to.throw(InvalidSpecError)
        .with.property('message')
        .that.does.not.include('hunter2');
  });

  it('returns the parts of every formatted reference', () => {
    fc.assert(
      fc.property(reference, fc.constantFrom('', 'docker:///', 'docker://', 'raw:///'), (parts, scheme) => {
        expect(parse(scheme + formatImageReference(parts))).to.deep.equal(parts);
      }),
      { numRuns: 300 },
    );
  });

  it('throws nothing but InvalidSpecError, and accepts only texts that it formats to the same text', () => {
    const piece = fc.constantFrom('a', 'A', '0', '.', '_', '-', '/', ':', '@', ' ', '[', ']', 'localhost', sha256, 'é');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('');
        try {
          expect(formatImageReference(parse(text))).to.equal(text);
        } catch (error) {
          expect(error).to.be.instanceOf(InvalidSpecError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('qualifyImage', () => {
  it('adds the prefix to short names only', () => {
    fc.assert(
      fc.property(reference, (parts) => {
        const qualified = qualifyImage('image', parts, 'mirror.example:5000/proxy');
        if (parts.registry !== undefined) expect(qualified).to.equal(parts);
        else
          expect(qualified).to.deep.equal({
            ...parts,
            registry: 'mirror.example:5000',
            repository: `proxy/${parts.repository}`,
          });
      }),
      { numRuns: 100 },
    );
  });

  it('leaves short names without a prefix', () => {
    expect(formatImageReference(qualifyImage('image', parse('team/app:1'), undefined))).to.equal('team/app:1');
  });

  it('refuses a name that the prefix makes too long', () => {
    expect(() => qualifyImage('image', parse('a'.repeat(250)), 'registry.example')).to.throw(
      InvalidSpecError,
      /^image: /,
    );
  });
});

describe('checkRegistryPrefix', () => {
  it('accepts a registry with or without a path', () => {
    for (const prefix of ['registry.example', 'registry.example:5000/a/b', 'localhost'])
      checkRegistryPrefix('images.registryPrefix', prefix);
  });

  for (const prefix of ['', 'mirror', 'team/app', 'registry.example/', 'https://registry.example', `a@${sha256}`])
    it(`refuses ${JSON.stringify(prefix)}`, () => {
      expect(() => checkRegistryPrefix('images.registryPrefix', prefix))
        .to.throw(InvalidSpecError)
        .with.property('field', 'images.registryPrefix');
    });
});

describe('canonicalImage', () => {
  it('returns the same for all spellings of one image', () => {
    const spellings = ['busybox', 'library/busybox', 'docker.io/busybox', 'index.docker.io/library/busybox:latest'];
    for (const text of spellings)
      expect(canonicalImage(parse(text))).to.deep.equal({
        registry: 'docker.io',
        repository: 'library/busybox',
        version: 'latest',
        isDigest: false,
      });
    expect(canonicalImage(parse('Registry.Example:443/a'))).to.deep.equal(canonicalImage(parse('registry.example/a')));
  });

  it('ignores the tag of a reference with a digest', () => {
    expect(canonicalImage(parse(`a:1@${sha256}`))).to.deep.equal(canonicalImage(parse(`a:2@${sha256}`)));
    expect(canonicalImage(parse(`a:1@${sha256}`))).to.include({ version: sha256, isDigest: true });
  });
});
