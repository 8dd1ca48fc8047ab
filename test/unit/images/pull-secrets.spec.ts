import { expect } from 'chai';

import { canonicalImage, parseImageReference } from '../../../src/images/image-reference.ts';
import { credentialsFor } from '../../../src/images/pull-secrets.ts';
import { pullSecret } from '../../support/scripted-registry.ts';

const users = (configs: readonly string[], image: string): string[] =>
  credentialsFor(configs, canonicalImage(parseImageReference('image', image))).map(({ username }) => username);

describe('credentialsFor', () => {
  for (const [server, image, matches] of [
    ['registry.example', 'registry.example/a', true],
    ['https://registry.example/v2/', 'registry.example/a', true],
    ['https://Registry.Example:443', 'registry.example/a', true],
    ['registry.example', 'registry.example:5000/a', false],
    ['registry.example:5000', 'registry.example:5000/a', true],
    ['example', 'registry.example/a', false],
    ['*.example', 'registry.example/a', true],
    ['*.example', 'x.registry.example/a', false],
    ['reg*ry.example', 'registry.example/a', true],
    ['reg*ry.example', 'regry.example/a', true],
    ['reg*istry.example', 'registry.example/a', true],
    ['registry*y.example', 'registry.example/a', false],
    ['registry.example/team', 'registry.example/team/a', true],
    ['registry.example/team', 'registry.example/other/a', false],
    ['https://index.docker.io/v1/', 'busybox', true],
    ['docker.io', 'busybox', true],
  ] as const)
    it(`${matches ? 'uses' : 'does not use'} the entry ${server} for ${image}`, () => {
      expect(users([pullSecret(server, 'me:x')], image)).to.deep.equal(matches ? ['me'] : []);
    });

  it('returns the most specific entry first', () => {
    const configs = [
      pullSecret('*.example', 'any:x'),
      pullSecret('registry.example/team', 'team:x'),
      pullSecret('registry.example', 'host:x'),
    ];
    expect(users(configs, 'registry.example/team/a')).to.deep.equal(['team', 'host', 'any']);
  });

  it('reads passwords with colons, and entries of separate fields', () => {
    const image = canonicalImage(parseImageReference('image', 'r.example/a'));
    const separate = JSON.stringify({ auths: { 'r.example': { username: 'u', password: 'p' } } });
    expect(credentialsFor([pullSecret('r.example', 'u:a:b')], image)).to.deep.equal([
      { username: 'u', password: 'a:b' },
    ]);
    expect(credentialsFor([separate], image)).to.deep.equal([{ username: 'u', password: 'p' }]);
  });

  it('ignores secrets that are no configuration', () => {
    for (const config of [
      '',
      'null',
      '[]',
      '{"auths":7}',
      '{"auths":{"r.example":null}}',
      '{"auths":{"r.example":{"auth":"*"}}}',
    ])
      expect(users([config], 'r.example/a')).to.deep.equal([]);
  });
});
