import { expect } from 'chai';

import { canonicalImage, parseImageReference } from '../../../src/images/image-reference.ts';
import { type Inspection, RegistryClient } from '../../../src/images/registry-client.ts';
import { RegistryUnavailable } from '../../../src/images/registry-http.ts';
import { type Credential, parseChallenge } from '../../../src/images/registry-login.ts';
import { rejection } from '../../support/rejection.ts';
import { ScriptedRegistry } from '../../support/scripted-registry.ts';

const me: Credential = { username: 'me', password: 'hunter2' };

describe('RegistryClient', () => {
  let registry: ScriptedRegistry;
  const plainHttpRegistries = new Set(['plain.example:5000']);

  beforeEach(() => {
    registry = new ScriptedRegistry();
  });

  const inspect = (image: string, credential?: Credential): Promise<Inspection> =>
    new RegistryClient({ fetch: registry.fetch, plainHttpRegistries }).inspect(
      canonicalImage(parseImageReference('image', image)),
      credential,
    );

  it('returns the digest and the architecture of an image of one platform', async () => {
    const digest = registry.add('app', '1', 'arm64');
    expect(await inspect('registry.example/app:1')).to.deep.equal({ digest, architectures: ['arm64'] });
    expect(await inspect(`registry.example/app@${digest}`)).to.include({ digest });
  });

  it('returns the digest of an index, and its architectures for Linux', async () => {
    const digest = registry.addIndex('app', 'latest', [
      { os: 'linux', architecture: 'arm64' },
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 'arm64', variant: 'v8' },
      { os: 'windows', architecture: 's390x' },
      { os: 'unknown', architecture: 'unknown' },
    ]);
    expect(await inspect('registry.example/app')).to.deep.equal({ digest, architectures: ['amd64', 'arm64'] });
  });

  it('returns no architectures where the registry does not have them', async () => {
    const digest = registry.addIndex('app', '1', [{}]);
    expect(await inspect('registry.example/app:1')).to.deep.equal({ digest, architectures: undefined });
    registry.add('app', '2', 'amd64');
    for (const path of registry.content.keys()) if (path.includes('/blobs/')) registry.content.delete(path);
    expect(await inspect('registry.example/app:2')).to.include({ architectures: undefined });
  });

  it('reports an image that does not exist', async () => {
    expect(await inspect('registry.example/app:1')).to.equal('missing');
  });

  it('completes short names, and accesses only the listed registries over HTTP', async () => {
    await inspect('busybox:1');
    await inspect('plain.example:5000/a');
    await inspect('Plain.example/a');
    expect(registry.requests).to.deep.equal([
      'https://registry-1.docker.io/v2/library/busybox/manifests/1',
      'http://plain.example:5000/v2/a/manifests/latest',
      'https://plain.example/v2/a/manifests/latest',
    ]);
  });

  for (const login of ['token', 'basic'] as const) {
    context(`with ${login} authentication`, () => {
      beforeEach(() => {
        registry.login = login;
        registry.accepted = 'me:hunter2';
        registry.add('app', '1', 'amd64');
      });

      it('logs in once, when the registry first requires it', async () => {
        expect(await inspect('registry.example/app:1', me)).to.deep.include({ architectures: ['amd64'] });
        const [challenged, ...others] = registry.requests;
        expect(challenged).to.not.include('(');
        expect(others.every((request) => request.includes('('))).to.equal(true);
        expect(others).to.have.length(login === 'token' ? 3 : 2);
      });

      it('reports a missing or a wrong password as refused', async () => {
        expect(await inspect('registry.example/app:1')).to.equal('refused');
        expect(await inspect('registry.example/app:1', { ...me, password: 'wrong' })).to.equal('refused');
      });
    });
  }

  it('gets a token without a password for a public image', async () => {
    registry.login = 'token';
    registry.add('app', '1', 'amd64');
    expect(await inspect('registry.example/app:1')).to.include.keys('digest');
    expect(registry.requests[1]).to.equal(
      'https://auth.example/token?service=registry.example&scope=repository%3Aapp%3Apull',
    );
  });

  context('a redirect', () => {
    const redirect = (location: string) => (url: URL) =>
      url.host === 'registry.example' ? new Response('', { status: 307, headers: { location } }) : undefined;

    it('is followed, and another host receives no credential', async () => {
      registry.login = 'basic';
      registry.accepted = 'me:hunter2';
      const digest = registry.add('app', '1', 'amd64');
      let isChallenged = false;
      registry.override = (url) => {
        if (url.host === 'blobs.example') return new Response(registry.content.get('app/manifests/1') ?? '');
        if (!isChallenged || url.pathname.includes('/blobs/')) {
          isChallenged = true;
          return undefined;
        }
        return redirect('https://blobs.example/x')(url);
      };
      expect(await inspect('registry.example/app:1', me)).to.include({ digest });
      expect(registry.requests).to.include('https://blobs.example/x');
    });

    for (const location of ['http://169.254.169.254/latest', 'file:///etc/passwd'])
      it(`to ${location} is not followed`, async () => {
        registry.override = redirect(location);
        expect(await rejection(inspect('registry.example/app:1'))).to.be.instanceOf(RegistryUnavailable);
        expect(registry.requests).to.have.length(1);
      });

    it('without an end is a failure', async () => {
      registry.override = redirect('https://registry.example/again');
      expect(await rejection(inspect('registry.example/app:1'))).to.be.instanceOf(RegistryUnavailable);
    });
  });

  it('does not get a token over unencrypted HTTP', async () => {
    registry.override = () =>
      new Response('', { status: 401, headers: { 'www-authenticate': 'Bearer realm="http://auth.example/token"' } });
    expect(await rejection(inspect('registry.example/app:1', me))).to.be.instanceOf(RegistryUnavailable);
    expect(registry.requests).to.have.length(1);
  });

  for (const [what, response] of [
    ['429', () => new Response('', { status: 429 })],
    ['503 and no body', () => new Response(null, { status: 503 })],
    ['a page', () => new Response('<html>')],
    ['too many bytes', () => new Response('x'.repeat(4 * 1024 * 1024 + 1))],
  ] as const)
    it(`rejects, without a finding, when the registry responds with ${what}`, async () => {
      registry.override = response;
      expect(await rejection(inspect('registry.example/app:1'))).to.be.instanceOf(RegistryUnavailable);
    });

  it('rejects a manifest that has not the requested digest', async () => {
    const digest = registry.add('app', '1', 'amd64');
    registry.override = () => new Response('{"config":{}}');
    expect(await rejection(inspect(`registry.example/app@${digest}`))).to.be.instanceOf(RegistryUnavailable);
  });

  it('rejects when the registry cannot be reached', async () => {
    const fetch = () => Promise.reject(new TypeError('fetch failed'));
    const client = new RegistryClient({ fetch, plainHttpRegistries });
    const image = canonicalImage(parseImageReference('image', 'registry.example/app'));
    expect(await rejection(client.inspect(image, undefined))).to.be.instanceOf(RegistryUnavailable);
  });
});

describe('parseChallenge', () => {
  it('prefers a token, and reads quoted and plain parameters', () => {
    const bearer = { scheme: 'bearer', realm: 'https://a/t', service: 's "x"', scope: undefined };
    expect(parseChallenge('Basic realm="x", Bearer realm="https://a/t", service="s \\"x\\""')).to.deep.equal(bearer);
    expect(parseChallenge('bearer realm=https://a/t')).to.include({ realm: 'https://a/t' });
    expect(parseChallenge('BASIC realm="Bearer"')).to.deep.equal({ scheme: 'basic' });
  });

  it('returns undefined for what the library does not support', () => {
    for (const header of ['', 'Digest realm="x"', 'Bearer service="s"'])
      expect(parseChallenge(header)).to.equal(undefined);
  });
});
