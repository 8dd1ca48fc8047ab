import { getEventListeners } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';

import type { AgentClient } from '../../../src/agent-client/agent-client.ts';
import { systemClock } from '../../../src/internal/system-clock.ts';
import { ClientNodeCluster } from '../../../src/kubernetes/api/client-node-cluster.ts';
import { GrantedCalls } from '../../../src/kubernetes/granted-calls.ts';
import { until } from '../../support/agent/agent-process.ts';
import { failure } from '../../support/api-server.ts';
import { rejection } from '../../support/rejection.ts';
import { type ExecPlan, stall } from '../../support/rig/exec-plan.ts';
import { type RigClientOptions, TransferRig } from '../../support/rig/transfer-rig.ts';
import { tarOf } from '../../support/tar.ts';
import { Tripwire } from '../../support/tripwire.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const retryBackoff = { firstMs: 5, longestMs: 20 };

/** Returns a plan with a refusal of Kubernetes. */
function refused(code: number, reason: string, message: string, headers: Record<string, string> = {}): ExecPlan {
  return { refuse: { status: code, body: JSON.stringify(failure(code, reason, message)), headers } };
}

describe('a transfer with a refused exec', () => {
  let tripwire: Tripwire;
  let rig: TransferRig;
  let archive: Buffer;
  let source: Readable;

  before(async () => {
    tripwire = await Tripwire.set();
    rig = await TransferRig.start();
    archive = await tarOf({ file: 'content' });
    await rig.put('down', { file: 'content' });
  });

  beforeEach(() => {
    source = Readable.from([archive]);
  });

  afterEach(async () => {
    await rig.quiet();
    expect(rig.api.plansLeft).to.equal(0);
  });

  after(async () => {
    await rig[Symbol.asyncDispose]();
    await tripwire.check();
  });

  /** Returns a client that uses only WebSocket, so that each plan applies to one attempt. */
  function client(options: RigClientOptions = {}): AgentClient {
    return rig.client({ protocols: ['v4.channel.k8s.io', 'v5.channel.k8s.io'], ...options });
  }

  context('when the refusal is permanent', () => {
    for (const [name, plan, facts] of [
      [
        'RBAC',
        refused(403, 'Forbidden', 'no'),
        { code: 'KW_ERR_FORBIDDEN', verb: 'create', resource: 'pods/exec', namespace: 'ci' },
      ],
      [
        'a missing pod',
        refused(404, 'NotFound', 'pods "pod" not found'),
        { code: 'KW_ERR_EXEC_HANDSHAKE_FAILED', status: 404, reason: 'NotFound' },
      ],
      [
        'a missing container',
        refused(400, 'BadRequest', 'container main is not valid for pod pod'),
        { code: 'KW_ERR_EXEC_HANDSHAKE_FAILED', status: 400 },
      ],
      ['a redirect', { refuse: { status: 302, headers: { Location: 'http://elsewhere/' } } }, { status: 302 }],
      [
        'a missing agent',
        refused(500, 'InternalError', 'exec: "/.kw-agent/agent": stat: no such file or directory'),
        { status: 500 },
      ],
    ] as const) {
      it(`rejects at once with a typed error for ${name}, and ends its source`, async () => {
        rig.api.plan(plan);
        expect(await rejection(client().receive({ volume: 'v' }, source))).to.include({ ...facts, retryable: false });
        expect(source.destroyed).to.equal(true);
        rig.api.plan(plan);
        expect(await rejection(client().send({ volume: 'down' }))).to.include(facts);
      });
    }

    it('rejects with the offered sub-protocols if none is common', async () => {
      for (const subprotocol of ['', 'base64.channel.k8s.io']) {
        rig.api.plan({ subprotocol }, { subprotocol });
        const error = await rejection(client().receive({ volume: 'v' }, Readable.from([archive])));
        expect(error).to.deep.include({
          code: 'KW_ERR_UNSUPPORTED_SUBPROTOCOL',
          offered: ['v4.channel.k8s.io', 'v5.channel.k8s.io'],
        });
      }
    });

    it('names the verbs that an exec needs since Kubernetes 1.35', async () => {
      rig.api.plan(refused(403, 'Forbidden', 'User "ci" cannot create resource "pods/exec"'));
      expect((await rejection(client().send({ volume: 'down' }))).message)
        .to.contain('verbs create and get on pods/exec')
        .and.contain('User "ci"');
    });
  });

  context('when the refusal is temporary', () => {
    for (const [name, plan] of [
      ['a starting API server', refused(503, 'ServiceUnavailable', 'starting')],
      ['too many requests', refused(429, 'TooManyRequests', 'slow down')],
      [
        'a kubelet without a certificate',
        refused(500, 'InternalError', 'error dialing backend: remote error: tls: internal error'),
      ],
      [
        'a container that is not running yet',
        refused(500, 'InternalError', 'unable to upgrade connection: container not found ("main")'),
      ],
      ['a slow etcd', refused(504, 'Timeout', 'request timed out')],
      ['an HTML page of a proxy', { refuse: { status: 502, body: `<html>${'<p>Bad Gateway</p>'.repeat(50)}</html>` } }],
      ['a reset', { insteadOfAnswer: (reset: () => void) => reset() }],
    ] as const) {
      it(`retries after ${name}`, async () => {
        const again = client({ retryBackoff });
        rig.api.plan(plan, plan);
        expect(await again.receive({ volume: 'again' }, source)).to.include({ bytes: archive.length });
        again.close();
        rig.api.plan(plan, plan);
        const { readable } = await client({ retryBackoff }).send({ volume: 'down' });
        expect((await buffer(readable)).length).to.be.above(1000);
      });
    }

    it('retries no earlier than Retry-After', async () => {
      rig.api.plan(refused(429, 'TooManyRequests', 'slow down', { 'Retry-After': '1' }));
      const start = performance.now();
      await client({ retryBackoff }).receive({ volume: 'later' }, source);
      expect(performance.now() - start).to.be.above(990);
    });

    it('rejects with the last refusal when the retry budget is spent, with a long page truncated', async () => {
      rig.api.planFor = () => ({ refuse: { status: 502, body: `<html>${'<p>Bad Gateway</p>'.repeat(5000)}</html>` } });
      const error = await rejection(client({ retryBackoff, retryBudgetMs: 60 }).receive({ volume: 'v' }, source));
      rig.api.planFor = () => ({});
      expect(error.message).to.contain('502').and.contain('<p>Bad Gateway</p>');
      expect(error.message.length).to.be.below(600);
      expect(source.destroyed).to.equal(true);
    });
  });

  it('continues after refusals of a server that granted an exec before, as of one that has just started', async () => {
    const granted = new GrantedCalls(systemClock());
    await client({ granted }).receive({ volume: 'granted' }, source);
    const notYet = refused(403, 'Forbidden', 'User "ci" cannot create resource "pods/exec"');
    rig.api.plan(notYet, notYet);
    await client({ granted, retryBackoff }).receive({ volume: 'refused' }, Readable.from([archive]));
    expect(rig.api.tokens).to.have.length(4);
  });

  context('when SPDY is refused', () => {
    /** Options of a client that keeps no idle connections. */
    const once = { maxIdle: 0, retryBackoff };
    const protocols = (): readonly string[] => rig.api.execs.map(({ protocol }) => protocol);

    it('uses WebSocket at once, and for later connections', async () => {
      const refusals = [
        refused(400, 'BadRequest', 'Upgrade request required'),
        refused(403, 'Forbidden', 'User "ci" cannot create resource "pods/exec"'),
        refused(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource'),
        { refuse: { status: 502, body: '<html>Bad Gateway</html>' } },
        { refuse: { status: 403 } },
      ];
      for (const plan of refusals) {
        const each = rig.client(once);
        rig.api.plan(plan);
        await each.receive({ volume: 'v' }, Readable.from([archive]));
        await each.status();
        expect(protocols()).to.deep.equal(['v4.channel.k8s.io', 'v4.channel.k8s.io']);
        expect(rig.api.tokens).to.have.length(3);
        await rig.quiet();
      }
    });

    it('uses WebSocket if a proxy accepts SPDY and withholds its bytes', async () => {
      const clock = new VirtualClock();
      const each = rig.client({ ...once, exec: { clock } });
      const kept = Promise.withResolvers<void>();
      rig.api.plan({ ignoresPings: true, fromPod: { after: [[0, stall(kept.promise)]] } });
      const receiving = each.receive({ volume: 'v' }, source);
      const silent = await rig.api.exec(0);
      await until('the client has connected', () => silent.bytesToPod > 0);
      await clock.advance(120_000);
      await receiving;
      await each.status();
      expect(protocols()).to.deep.equal(['SPDY/3.1', 'v4.channel.k8s.io', 'v4.channel.k8s.io']);
      kept.resolve();
    });

    it('keeps SPDY for an error of the container', async () => {
      const notUp = 'unable to upgrade connection: container not found ("main")';
      for (const plan of [
        refused(500, 'InternalError', notUp),
        { refuse: { status: 404, body: notUp } },
        { refuse: { status: 404, body: 'pod does not exist' } },
      ]) {
        const each = rig.client(once);
        rig.api.plan(plan);
        await each.receive({ volume: 'v' }, Readable.from([archive]));
        expect(protocols()).to.deep.equal(['SPDY/3.1']);
        expect(rig.api.tokens).to.have.length(2);
        await rig.quiet();
      }
    });

    it('rejects with the refusals of all protocols', async () => {
      const plan = refused(403, 'Forbidden', 'User "ci" cannot create resource "pods/exec"');
      rig.api.plan(plan, plan);
      expect(await rejection(rig.client(once).send({ volume: 'down' }))).to.include({ code: 'KW_ERR_FORBIDDEN' });
    });
  });

  context('when credentials have expired', () => {
    let folder: string;
    let kubeConfig: string;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'kw-credentials-'));
      kubeConfig = join(folder, 'config');
    });

    after(async () => {
      await rm(folder, { recursive: true });
    });

    async function write(token: string): Promise<void> {
      const clusters = [{ name: 'c', cluster: { server: rig.api.url(), 'insecure-skip-tls-verify': true } }];
      const contexts = [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'ci' } }];
      await writeFile(
        kubeConfig,
        JSON.stringify({ 'current-context': 'x', clusters, contexts, users: [{ name: 'u', user: { token } }] }),
      );
    }

    it('reads them again once, and continues', async () => {
      await write('old');
      const renewed = client({ cluster: await ClientNodeCluster.fromConfig({ kubeConfig }) });
      await write('new');
      rig.api.plan(refused(401, 'Unauthorized', 'Unauthorized'));
      await renewed.receive({ volume: 'renewed' }, source);
      expect(rig.api.tokens).to.deep.equal(['old', 'new']);
    });

    it('rejects if the new credentials are refused as well', async () => {
      await write('old');
      rig.api.plan(refused(401, 'Unauthorized', 'Unauthorized'), refused(401, 'Unauthorized', 'Unauthorized'));
      const refusing = client({ cluster: await ClientNodeCluster.fromConfig({ kubeConfig }) });
      expect(await rejection(refusing.receive({ volume: 'v' }, source))).to.include({ code: 'KW_ERR_UNAUTHORIZED' });
      expect(rig.api.tokens).to.have.length(2);
    });
  });

  context('when it is aborted', () => {
    const reason = new Error('no longer needed');

    it('sends no request if the signal is aborted before', async () => {
      expect(
        await rejection(client().receive({ volume: 'v' }, source, { signal: AbortSignal.abort(reason) })),
      ).to.equal(reason);
      expect(await rejection(client().send({ volume: 'down' }, { signal: AbortSignal.abort(reason) }))).to.equal(
        reason,
      );
      expect(rig.api.tokens).to.have.length(0);
      expect(source.destroyed).to.equal(true);
    });

    it('closes the connection while it waits for an answer', async () => {
      for (const begin of [
        (signal: AbortSignal) => client().receive({ volume: 'v' }, Readable.from([archive]), { signal }),
        (signal: AbortSignal) => client().send({ volume: 'down' }, { signal }),
      ]) {
        const stop = new AbortController();
        rig.api.plan({ insteadOfAnswer: () => stop.abort(reason) });
        expect(await rejection(begin(stop.signal))).to.equal(reason);
        expect(getEventListeners(stop.signal, 'abort')).to.have.length(0);
      }
    });

    it('stops retrying while it waits for the next try', async () => {
      const stop = new AbortController();
      rig.api.plan(refused(429, 'TooManyRequests', 'slow down', { 'Retry-After': '60' }));
      const upload = rejection(client().receive({ volume: 'v' }, source, { signal: stop.signal }));
      while (rig.api.tokens.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      stop.abort(reason);
      expect(await upload).to.equal(reason);
      expect(rig.api.tokens).to.have.length(1);
      expect(getEventListeners(stop.signal, 'abort')).to.have.length(0);
    });
  });
});
