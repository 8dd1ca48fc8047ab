import { expect } from 'chai';

import { StatusRig } from '../../../support/service/status-rig.ts';

const views = [
  { name: 'database', ok: true, detail: 'answers', ageMs: 5 },
  { name: 'kubernetes', ok: false, detail: '403 from the API server', ageMs: null },
];
const failed = views.map((view) => ({ ...view, isRequired: true, ageMs: view.ageMs ?? undefined }));

describe('The probes of the service', () => {
  let rig: StatusRig;
  beforeEach(async () => {
    rig = await StatusRig.create();
  });

  for (const path of ['/healthz', '/livez', '/readyz', '/startupz']) {
    it(`answer ${path} with ok, and with all checks if it is verbose`, async () => {
      expect(await rig.ask(path)).to.include({ status: 200, body: 'ok' });
      const end = `${path === '/healthz' ? 'livez' : path.slice(1)} check passed`;
      expect((await rig.ask(`${path}?verbose`)).body).to.equal(`[+]database ok\n${end}\n`);
    });

    it(`answer ${path} with 503 and the failed check, without verbose as well`, async () => {
      rig.health.checks = failed;
      const { status, body } = await rig.ask(path);
      expect(status).to.equal(503);
      expect(body).to.match(/^\[\+\]database ok\n\[-\]kubernetes: 403 from the API server\n\w+ check failed\n$/);
    });
  }

  it('answer in JSON if the client prefers it', async () => {
    rig.health.checks = failed;
    const { status, body } = await rig.ask('/readyz', { headers: { accept: 'application/json, text/plain' } });
    expect([status, body]).to.deep.equal([503, { ok: false, checks: views }]);
    expect((await rig.ask('/livez', { headers: { accept: '*/*' } })).body).to.be.a('string');
  });

  it('need no token and no place among the requests that run', async () => {
    const closed = await StatusRig.create({
      maxConcurrent: 0,
      authorize: async () => {
        throw new Error('no probe is authorized');
      },
    });
    expect((await closed.ask('/readyz')).status).to.equal(200);
  });

  it('refuse an unknown parameter and an unknown value', async () => {
    expect((await rig.ask('/readyz?verbos')).status).to.equal(400);
    expect((await rig.ask('/readyz?verbose=maybe')).status).to.equal(400);
  });
});
