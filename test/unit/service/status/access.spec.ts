import { expect } from 'chai';

import { FakeWorker } from '../../../../fakes/index.ts';
import { ApiUnavailableError } from '../../../../src/index.ts';
import { bearerToken, withoutToken } from '../../../../src/service/status/access/access-control.ts';
import { TokenFile } from '../../../../src/service/status/access/token-file.ts';
import { TokenReviews } from '../../../../src/service/status/access/token-reviews.ts';
import { rejection } from '../../../support/rejection.ts';
import { silentLogger } from '../../../support/silent-logger.ts';

const { signal } = new AbortController();
const first = 'first-token-0123456789';
const second = 'second-token-0123456789';

describe('Access to the API', () => {
  describe('by a bearer token', () => {
    const guard = bearerToken(async () => {});
    const check = async (authorization: string | undefined) => await guard({ authorization, host: 'x' }, signal);

    it('is refused without one', async () => {
      for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Basic abc', 'Bearer a b', 'Bearer ä', 'bearera'])
        expect(await rejection(check(header)), header).to.include({ code: 'KW_HTTP_UNAUTHENTICATED', status: 401 });
    });

    it('is decided by the token', async () => {
      const seen: string[] = [];
      const guarded = bearerToken(async (token) => void seen.push(token));
      await guarded({ authorization: 'Bearer abc.def-_~+/=', host: undefined }, signal);
      await guarded({ authorization: 'bearer  x', host: undefined }, signal);
      expect(seen).to.deep.equal(['abc.def-_~+/=', 'x']);
    });
  });

  describe('by a file', () => {
    let content: string;
    const file = new TokenFile({ path: '/token', logger: silentLogger, read: async () => content });

    it('has every token of the file, as it is now', async () => {
      content = `${first}\n`;
      await file.check(first);
      expect(await rejection(file.check(second))).to.include({ code: 'KW_HTTP_UNAUTHENTICATED' });
      content = `${second}\r\n${first}`;
      await file.check(first);
      await file.check(second);
      content = second;
      const refusal = await rejection(file.check(first));
      expect(refusal).to.include({ code: 'KW_HTTP_UNAUTHENTICATED' });
      expect(refusal.message).to.not.contain(first);
    });

    it('is not possible without a token in the file, and not with a short one', async () => {
      for (content of ['', '\n\n', 'short', ' \n short \n'])
        for (const token of ['', 'short', first])
          expect(await rejection(file.check(token))).to.include({ code: 'KW_HTTP_AUTH_UNAVAILABLE', status: 503 });
    });

    it('is not possible if the file cannot be read', async () => {
      const missing = new TokenFile({ path: '/none/token', logger: silentLogger });
      expect(await rejection(missing.check(first))).to.include({ code: 'KW_HTTP_AUTH_UNAVAILABLE' });
    });
  });

  describe('by the cluster', () => {
    let worker: FakeWorker;
    let now: number;
    let reviews: TokenReviews;
    beforeEach(() => {
      worker = new FakeWorker();
      now = 0;
      reviews = new TokenReviews({ worker: () => worker, logger: silentLogger, now: () => now });
      worker.reviewToken.resolves({ user: 'jane', allowed: true });
    });

    it('has a user with the permission', async () => {
      await reviews.check('a');
      const [token, options] = worker.reviewToken.lastCall.args;
      expect(token).to.equal('a');
      expect(options.permission).to.deep.equal({ verb: 'get', resource: 'pods/log' });
    });

    it('is refused with 401 for an unknown token, and with 403 without the permission', async () => {
      worker.reviewToken.resolves({ user: undefined, allowed: false });
      expect(await rejection(reviews.check('a'))).to.include({ status: 401 });
      worker.reviewToken.resolves({ user: 'jane', allowed: false });
      expect(await rejection(reviews.check('b'))).to.include({ status: 403 });
    });

    it('asks once for concurrent and later requests, and again after ten seconds', async () => {
      await Promise.all([reviews.check('a'), reviews.check('a')]);
      now = 9_999;
      await reviews.check('a');
      expect(worker.reviewToken.callCount).to.equal(1);
      now = 10_000;
      await reviews.check('a');
      expect(worker.reviewToken.callCount).to.equal(2);
    });

    it('asks again after a failure, which is 503', async () => {
      worker.reviewToken.rejects(new ApiUnavailableError({ verb: 'create', resource: 'r', namespace: 'n' }, 'x', 503));
      expect(await rejection(reviews.check('a'))).to.include({ code: 'KW_HTTP_AUTH_UNAVAILABLE' });
      worker.reviewToken.resolves({ user: 'jane', allowed: true });
      await reviews.check('a');
    });

    it('runs eight reviews at once, and keeps a thousand decisions', async () => {
      const { promise, resolve } = Promise.withResolvers<{ user: string; allowed: boolean }>();
      worker.reviewToken.returns(promise);
      const checks = Array.from({ length: 8 }, async (_, index) => await reviews.check(`t${index}`));
      expect(await rejection(reviews.check('t8'))).to.include({ code: 'KW_HTTP_BUSY' });
      resolve({ user: 'jane', allowed: true });
      await Promise.all(checks);
      for (let index = 0; index < 1_001; index += 1) await reviews.check(`u${index}`);
      const { callCount } = worker.reviewToken;
      await reviews.check('u1000');
      expect(worker.reviewToken.callCount).to.equal(callCount);
      await reviews.check('u0');
      expect(worker.reviewToken.callCount).to.equal(callCount + 1);
    });
  });

  describe('without a token', () => {
    const check = async (listen: string, host: string | undefined) =>
      await withoutToken(listen)({ authorization: undefined, host }, signal);

    it('has requests to an address of loopback or to localhost', async () => {
      for (const host of ['localhost', 'localhost:9393', 'LOCALHOST', '127.0.0.1:9393', '[::1]:9393', '[::1]'])
        for (const listen of ['127.0.0.1', '127.0.0.9', '::1', 'localhost']) await check(listen, host);
    });

    it('is refused for other names, by which a page of a browser could reach the server', async () => {
      for (const host of [
        undefined,
        '',
        'evil.example',
        'evil.example:9393',
        '127.0.0.1.evil.example',
        'localhost.evil',
      ])
        expect(await rejection(check('127.0.0.1', host)), host).to.include({
          code: 'KW_HTTP_MISDIRECTED',
          status: 421,
        });
    });

    it('is refused on every other address', async () => {
      for (const listen of ['0.0.0.0', '::', '10.0.0.1', 'worker.example', '127.evil.example'])
        expect(await rejection(check(listen, '127.0.0.1')), listen).to.include({
          code: 'KW_HTTP_FORBIDDEN',
          status: 403,
        });
    });
  });
});
