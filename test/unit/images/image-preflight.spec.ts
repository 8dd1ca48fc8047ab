import { expect } from 'chai';
import sinon from 'sinon';

import { FakeLogger } from '../../../fakes/index.ts';
import { InvalidSpecError } from '../../../src/errors/caller.ts';
import { ApiUnavailableError, ForbiddenError } from '../../../src/errors/cluster.ts';
import { ImagePreflight } from '../../../src/images/image-preflight.ts';
import { formatImageReference, parseImageReference } from '../../../src/images/image-reference.ts';
import { RegistryClient } from '../../../src/images/registry-client.ts';
import type { PreflightReport } from '../../../src/runtime/preflight-report.ts';
import { rejection } from '../../support/rejection.ts';
import { pullSecret, ScriptedRegistry } from '../../support/scripted-registry.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const facts = { verb: 'get', resource: 'secrets', namespace: 'ci' };

describe('ImagePreflight', () => {
  let registry: ScriptedRegistry;
  let clock: VirtualClock;
  let logger: FakeLogger;
  let pullSecrets: sinon.SinonStub;
  let reports: PreflightReport[];

  beforeEach(() => {
    registry = new ScriptedRegistry();
    clock = new VirtualClock();
    logger = new FakeLogger();
    pullSecrets = sinon.stub().resolves([]);
    reports = [];
  });

  const preflight = (change: { mode?: 'warn' | 'enforce'; pinDigests?: boolean } = {}): ImagePreflight =>
    new ImagePreflight({
      mode: 'enforce',
      pinDigests: false,
      ...change,
      registry: new RegistryClient({ fetch: registry.fetch, plainHttpRegistries: new Set() }),
      pullSecrets,
      checked: (report) => reports.push(report),
      freshMs: 60_000,
      clock,
      logger,
    });
  const check = async (under: ImagePreflight, image: string, options = {}): Promise<string> => {
    const reference = parseImageReference('image', image);
    return formatImageReference(await under.check({ field: 'image', reference, architecture: 'amd64' }, options));
  };
  const requests = (): number => registry.requests.filter((request) => request.includes('/manifests/')).length;
  const unreachable = (): never => {
    throw new TypeError('fetch failed');
  };

  it('returns the reference of a usable image unchanged', async () => {
    registry.add('app', '1', 'amd64');
    expect(await check(preflight(), 'registry.example/app:1')).to.equal('registry.example/app:1');
    sinon.assert.notCalled(logger.warn);
  });

  context('a finding', () => {
    const findings = {
      'does not exist': () => registry.content.clear(),
      'pods.imagePullSecrets': () => (registry.login = 'basic'),
      'exists for arm64, not for amd64': () => registry.add('app', '1', 'arm64'),
    };
    for (const [words, arrange] of Object.entries(findings)) {
      it(`rejects if it is enforced: ${words}`, async () => {
        arrange();
        const error = await rejection(check(preflight(), 'registry.example/app:1'));
        expect(error).to.be.instanceOf(InvalidSpecError).and.include({ field: 'image' });
        expect(error.message).to.include(words);
      });

      it(`is only logged otherwise: ${words}`, async () => {
        arrange();
        const under = preflight({ mode: 'warn', pinDigests: true });
        expect(await check(under, 'registry.example/app:1')).to.match(/^registry\.example\/app[:@]/);
        sinon.assert.calledOnceWithMatch(logger.warn, 'image not usable', { field: 'image' });
      });
    }
  });

  context('pull secrets', () => {
    beforeEach(() => {
      registry.login = 'token';
      registry.accepted = 'me:hunter2';
      registry.add('app', '1', 'amd64');
    });

    it('are tried one after the other', async () => {
      pullSecrets.resolves([pullSecret('registry.example', 'old:x'), pullSecret('registry.example', 'me:hunter2')]);
      await check(preflight(), 'registry.example/app:1');
    });

    it('that the worker may not read reject if the check is enforced, and are logged otherwise', async () => {
      pullSecrets.rejects(new ForbiddenError(facts, 'no'));
      expect(await rejection(check(preflight(), 'registry.example/app:1'))).to.be.instanceOf(ForbiddenError);
      await check(preflight({ mode: 'warn' }), 'registry.example/app:1');
      sinon.assert.calledOnceWithMatch(logger.warn, 'image not checked');
    });

    it('that cannot be read now are no finding', async () => {
      pullSecrets.rejects(new ApiUnavailableError(facts, 'down', 503));
      await check(preflight(), 'registry.example/app:1');
      sinon.assert.calledOnceWithMatch(logger.warn, 'image not checked');
    });
  });

  context('pinned digests', () => {
    it('replace the tag', async () => {
      const digest = registry.add('app', '1', 'amd64');
      expect(await check(preflight({ pinDigests: true }), 'registry.example/app:1')).to.equal(
        `registry.example/app@${digest}`,
      );
    });

    it('follow a tag that has moved, once the earlier result is not fresh', async () => {
      const under = preflight({ pinDigests: true });
      const first = registry.add('app', '1', 'amd64');
      await check(under, 'registry.example/app:1');
      const second = registry.addIndex('app', '1', [{ os: 'linux', architecture: 'amd64' }]);
      expect(second).to.not.equal(first);
      await clock.advance(59_999);
      expect(await check(under, 'registry.example/app:1')).to.include(first);
      await clock.advance(1);
      expect(await check(under, 'registry.example/app:1')).to.include(second);
    });

    it('leave the tag of an image that could not be checked', async () => {
      registry.override = unreachable;
      expect(await check(preflight({ pinDigests: true }), 'registry.example/app:1')).to.equal('registry.example/app:1');
      sinon.assert.calledOnceWithMatch(logger.warn, 'image not checked');
    });
  });

  context('results', () => {
    it('are shared by concurrent checks and used again while they are fresh', async () => {
      registry.add('app', '1', 'amd64');
      const under = preflight();
      await Promise.all([1, 2, 3].map(() => check(under, 'registry.example/app:1')));
      await check(under, 'Registry.Example/app:1');
      expect(requests()).to.equal(1);
    });

    it('stay in use while the registry does not answer, with a request every ten seconds', async () => {
      const digest = registry.add('app', '1', 'amd64');
      const under = preflight({ pinDigests: true });
      await check(under, 'registry.example/app:1');
      registry.override = unreachable;
      await clock.advance(60_000);
      for (let second = 0; second < 30; second += 1) {
        expect(await check(under, 'registry.example/app:1')).to.include(digest);
        await clock.advance(1_000);
      }
      expect(requests()).to.equal(1 + 3);
    });

    it('that refuse are not kept', async () => {
      const under = preflight();
      await rejection(check(under, 'registry.example/app:1'));
      registry.add('app', '1', 'amd64');
      await check(under, 'registry.example/app:1');
    });
  });

  context('its reports', () => {
    const arrangements: Readonly<Record<string, () => void>> = {
      OK: () => registry.add('app', '1', 'amd64'),
      MISSING: () => registry.content.clear(),
      REFUSED: () => (registry.login = 'basic'),
      OTHER_ARCHITECTURE: () => registry.add('app', '1', 'arm64'),
      NOT_CHECKED: () => (registry.override = unreachable),
    };
    for (const [outcome, arrange] of Object.entries(arrangements))
      it(`have the outcome ${outcome}, whether the check rejects or not`, async () => {
        arrange();
        await check(preflight({ mode: 'warn' }), 'registry.example/app:1');
        await check(preflight(), 'registry.example/app:1').catch(() => undefined);
        expect(reports).to.deep.equal(Array.from({ length: 2 }, () => ({ outcome, isCached: false, durationMs: 0 })));
      });

    it('have the outcome NOT_CHECKED if the worker may not read its pull secrets', async () => {
      pullSecrets.rejects(new ForbiddenError(facts, 'no'));
      await rejection(check(preflight(), 'registry.example/app:1'));
      expect(reports).to.deep.equal([{ outcome: 'NOT_CHECKED', isCached: false, durationMs: 0 }]);
    });

    it('count a check without a request of its own as cached, also while the request is under way', async () => {
      registry.add('app', '1', 'amd64');
      const under = preflight();
      await Promise.all([1, 2, 3].map(() => check(under, 'registry.example/app:1')));
      await check(under, 'registry.example/app:1');
      expect(reports.map(({ isCached }) => isCached)).to.deep.equal([false, true, true, true]);
    });
  });

  context('a reference without a digest', () => {
    for (const image of ['registry.example/app', 'registry.example/app:latest'])
      it(`is logged once for each request: ${image}`, async () => {
        registry.add('app', 'latest', 'amd64');
        const under = preflight();
        for (let times = 0; times < 3; times += 1) await check(under, image);
        sinon.assert.calledOnceWithMatch(logger.warn, 'image not reproducible', { field: 'image', image });
        await clock.advance(60_000);
        await check(under, image);
        sinon.assert.calledTwice(logger.warn);
      });

    it('is not logged if the check pins it', async () => {
      registry.add('app', 'latest', 'amd64');
      await check(preflight({ pinDigests: true }), 'registry.example/app');
      sinon.assert.notCalled(logger.warn);
    });
  });

  context('a registry that is silent', () => {
    const silent = (): ImagePreflight =>
      new ImagePreflight({
        mode: 'enforce',
        pinDigests: false,
        registry: { inspect: (_image, _credential, options) => untilAborted(options?.signal) },
        pullSecrets,
        checked: (report) => reports.push(report),
        freshMs: 60_000,
        clock,
        logger,
      });

    it('is no finding after ten seconds', async () => {
      const checking = check(silent(), 'registry.example/app:1');
      await settle();
      await clock.advance(10_000);
      expect(await checking).to.equal('registry.example/app:1');
      expect(reports).to.deep.equal([{ outcome: 'NOT_CHECKED', isCached: false, durationMs: 10_000 }]);
      expect(clock.sleeping).to.equal(0);
    });

    it('does not delay an abort, nor a close', async () => {
      const under = silent();
      const abort = new AbortController();
      const [aborted, other] = [
        rejection(check(under, 'registry.example/app:1', { signal: abort.signal })),
        check(under, 'registry.example/app:1'),
      ];
      await settle();
      const reason = new Error('enough');
      abort.abort(reason);
      expect(await aborted).to.equal(reason);
      expect(reports).to.deep.equal([{ outcome: 'CANCELLED', isCached: false, durationMs: 0 }]);
      under.close();
      await other;
      await settle();
      expect(clock.sleeping).to.equal(0);
    });
  });
});

function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
}
