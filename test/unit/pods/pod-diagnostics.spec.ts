import { inspect } from 'node:util';

import { expect } from 'chai';

import { FakeCluster } from '../../../fakes/index.ts';
import { ApiUnavailableError, ForbiddenError } from '../../../src/errors/cluster.ts';
import { PodEvictedError, PodStartTimeoutError } from '../../../src/errors/pod.ts';
import type { Mask } from '../../../src/internal/host-mask.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { PodDiagnostics } from '../../../src/pods/pod-diagnostics.ts';
import type { Logger } from '../../../src/runtime/options.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const call = { verb: 'get', resource: 'nodes', namespace: 'ci' };
const error = new PodEvictedError({ namespace: 'ci', podName: 'p', reason: 'Evicted' }, { cause: 'the cause' });
const readyNode = { status: { conditions: [{ type: 'Ready', status: 'True' }] } };

function podIn(phase: string, message = '', uid = 'uid'): Pod {
  return {
    metadata: { name: 'p', uid },
    spec: { nodeName: 'n', containers: [] },
    status: { phase, ...(message === '' ? {} : { message }) },
  };
}

describe('PodDiagnostics', () => {
  let cluster: FakeCluster;
  let clock: VirtualClock;
  let lastSeen: Pod | undefined;
  let mask: Mask;
  let warnings: string[];

  const diagnostics = (): PodDiagnostics => {
    const logger: Logger = { ...silentLogger, warn: (message) => void warnings.push(message) };
    const watch = { lastSeen: () => lastSeen };
    return new PodDiagnostics({ cluster, watch, mask: (text) => mask(text), clock, logger });
  };
  const linesOf = async (): Promise<string[]> => {
    const { diagnostics: text } = await diagnostics().complete(error);
    return text?.split('\n') ?? [];
  };

  beforeEach(() => {
    cluster = new FakeCluster({ namespace: 'ci' });
    cluster.getPod.resolves(podIn('Failed'));
    cluster.getNode.resolves(readyNode);
    clock = new VirtualClock();
    lastSeen = podIn('Running');
    mask = (text) => text;
    warnings = [];
  });

  afterEach(() => {
    expect(clock.sleeping, 'timers left').to.equal(0);
  });

  it('adds the current state of the pod and of its node, and leaves all else as it was', async () => {
    const complete = await diagnostics().complete(error);
    expect(complete.diagnostics?.split('\n')).to.deep.equal([
      'pod ci/p:',
      '  node: n',
      '  phase: Failed',
      'node n: ready, without pressure',
    ]);
    expect(complete).to.be.instanceOf(PodEvictedError);
    const { name, message, code, retryable, podName, reason, cause } = error;
    expect(complete).to.include({ name, message, code, retryable, podName, reason, cause, nodeName: 'n' });
    const timeout = await diagnostics().complete(new PodStartTimeoutError({ namespace: 'ci', podName: 'p' }, 5));
    expect(timeout).to.be.instanceOf(PodStartTimeoutError).and.include({ waitedMs: 5 });
  });

  it('does not make the error longer in logs', async () => {
    const complete = await diagnostics().complete(error);
    expect(complete.diagnostics).to.include('phase: Failed');
    for (const text of [inspect(complete), String(complete), complete.stack, JSON.stringify(complete)])
      expect(text).to.not.include('phase: Failed');
  });

  it('returns an error that has diagnostics unchanged', async () => {
    const complete = await diagnostics().complete(error);
    expect(await diagnostics().complete(complete)).to.equal(complete);
  });

  it('states that the pod no longer exists, with the last state that the watch has seen [A30]', async () => {
    for (const current of [undefined, podIn('Pending', '', 'another uid')]) {
      cluster.getPod.resolves(current);
      expect(await linesOf()).to.deep.equal([
        'pod ci/p no longer exists; its last known state:',
        '  node: n',
        '  phase: Running',
        'node n: ready, without pressure',
      ]);
    }
    lastSeen = undefined;
    cluster.getPod.resolves(undefined);
    expect(await linesOf()).to.deep.equal(['pod ci/p no longer exists']);
  });

  it('states in one line that the node no longer exists, or may not be read [A25]', async () => {
    cluster.getNode.resolves(undefined);
    expect((await linesOf()).at(-1)).to.equal('node n no longer exists');
    cluster.getNode.rejects(new ForbiddenError(call, 'no'));
    expect((await linesOf()).at(-1)).to.equal('node n may not be read: a permission is missing (docs/rbac.md)');
  });

  it('states that the API server does not answer, with the last state that the watch has seen', async () => {
    const down = new ApiUnavailableError(call, 'down', 503);
    cluster.getPod.rejects(down);
    cluster.getNode.rejects(down);
    const lines = await linesOf();
    expect(lines[0]).to.match(/^pod ci\/p was not read: .*down; its last known state:$/);
    expect(lines.at(-1)).to.match(/^node n was not read: .*down$/);
  });

  it('waits for the pod and its node for three seconds together', async () => {
    cluster.getPod.callsFake(async (_name, options) => {
      await clock.sleep(2_000, options);
      return podIn('Failed');
    });
    cluster.getNode.callsFake(async (_name, options) => {
      await clock.sleep(2_000, options);
      return readyNode;
    });
    const completing = diagnostics().complete(error);
    await clock.advance(3_000);
    const lines = (await completing).diagnostics?.split('\n');
    expect(lines).to.include('  phase: Failed');
    expect(lines?.at(-1)).to.match(/^node n was not read: not done within 1000 ms$/);
  });

  it('masks each message and the whole text before it cuts them', async () => {
    cluster.getPod.resolves(podIn('Failed', 'first\ns3cret\n'));
    mask = (text) => text.replaceAll('first\ns3cret', '*****').replaceAll('phase: Failed', 'phase: ***');
    expect(await linesOf())
      .to.include('  message: *****')
      .and.include('  phase: ***');
    cluster.getPod.resolves({
      ...podIn('Failed'),
      status: {
        conditions: Array.from({ length: 8 }, (_, index) => ({
          type: `T${index}`,
          status: 'False',
          message: 'x'.repeat(4_000),
        })),
      },
    });
    const { diagnostics: text = '' } = await diagnostics().complete(error);
    expect(Buffer.byteLength(text)).to.be.within(16_300, 16_384);
  });

  it('leaves the text out if the mask fails', async () => {
    mask = () => undefined;
    const same = await diagnostics().complete(error);
    expect(same).to.equal(error);
    expect(same.diagnostics).to.equal(undefined);
  });

  it('returns the error alone if it fails itself, and logs that', async () => {
    cluster.getPod.resolves({ status: { conditions: 'none' } } as unknown as Pod);
    lastSeen = undefined;
    expect(await diagnostics().complete(error)).to.equal(error);
    expect(warnings).to.deep.equal(['pod not diagnosed']);
  });

  it('returns the error alone as soon as its signal aborts', async () => {
    cluster.getPod.callsFake(async (_name, options) => {
      await clock.sleep(60_000, options);
      return undefined;
    });
    const abort = new AbortController();
    const completing = diagnostics().complete(error, { signal: abort.signal });
    await settle();
    abort.abort(new Error('stopped'));
    expect(await completing).to.equal(error);
    expect(warnings).to.deep.equal([]);
  });
});
