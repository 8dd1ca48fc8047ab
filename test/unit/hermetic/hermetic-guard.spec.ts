import { expect } from 'chai';
import sinon from 'sinon';

import { FakeCluster } from '../../../fakes/index.ts';
import { ApiUnavailableError, ConflictError, ForbiddenError } from '../../../src/errors/cluster.ts';
import { HermeticNotEnforcedError } from '../../../src/errors/hermetic.ts';
import { egressPolicy, egressPolicyName } from '../../../src/hermetic/egress-policy.ts';
import { HermeticGuard } from '../../../src/hermetic/hermetic-guard.ts';
import type { ReachResult } from '../../../src/hermetic/reach-probe.ts';
import type { NetworkPolicy } from '../../../src/kubernetes/cluster.ts';
import { PodSupervisor, type PodSupervisorComponents } from '../../../src/pods/pod-supervisor.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const facts = { verb: 'create', resource: 'networkpolicies', namespace: 'ci' };
const target = { host: '10.96.0.1', port: '443' };
const enforcementMs = 20_000;

describe('HermeticGuard', () => {
  let clock: VirtualClock;
  let cluster: FakeCluster;
  let policies: NetworkPolicy[];
  /** The outcomes of the ordinary pods, and of the hermetic pod; the last of each repeats. */
  let outcomes: Record<'ordinary' | 'sealed', ReachResult['outcome'][]>;
  let reach: sinon.SinonSpy<[string], Promise<ReachResult>>;
  let probePods: boolean[];
  let guard: HermeticGuard;

  beforeEach(() => {
    clock = new VirtualClock();
    cluster = new FakeCluster({ namespace: 'ci' });
    policies = [egressPolicy()];
    cluster.listNetworkPolicies.callsFake(async () => [...policies]);
    cluster.createNetworkPolicy.callsFake(async (policy) => void policies.push(policy));
    cluster.getPod.resolves({ metadata: { labels: { 'kubernetes-worker/hermetic': 'true' } } });
    outcomes = { ordinary: ['connected'], sealed: ['unreachable'] };
    reach = sinon.spy(async (podName: string) => {
      const of = outcomes[podName === 'ordinary' ? 'ordinary' : 'sealed'];
      return { target, outcome: of.length > 1 ? of.shift()! : of[0]! };
    });
    probePods = [];
    const timeouts = { startMs: 300_000, schedulingMs: 300_000, reconnectMs: 300_000 };
    const supervised = { cluster, clock, logger: silentLogger, timeouts } as unknown as PodSupervisorComponents;
    guard = new HermeticGuard({
      cluster,
      pods: new PodSupervisor(supervised),
      reach,
      inProbePod: async (hermetic, work) => {
        probePods.push(hermetic);
        return await work({ handle: 'h', podName: hermetic ? 'sealed' : 'ordinary' });
      },
      clock,
      enforcementMs,
    });
  });

  /** Returns the result of work while the time advances. */
  const finish = async <T>(work: Promise<T>): Promise<T> => {
    let isDone = false;
    const done = work.finally(() => (isDone = true));
    done.catch(() => undefined);
    while (!isDone) await clock.advance(100);
    return await done;
  };
  const refused = async (work: Promise<unknown>, reason: string): Promise<string> => {
    const error = await finish(rejection(work));
    expect(error).to.be.instanceOf(HermeticNotEnforcedError).and.to.include({ reason, retryable: false });
    return error.message;
  };
  const seal = async (): Promise<void> =>
    await guard.requireSealed({ handle: 'h', podName: 'pod-1' }, await guard.prepare({}), {});

  context('the network policy', () => {
    it('is not created if it exists', async () => {
      await guard.prepare({});
      sinon.assert.notCalled(cluster.createNetworkPolicy);
    });

    it('is created again for each container if it is missing', async () => {
      policies = [];
      await guard.prepare({});
      expect(policies).to.deep.equal([egressPolicy()]);
      policies = [];
      await guard.prepare({});
      sinon.assert.calledTwice(cluster.createNetworkPolicy);
    });

    it('may be created by another worker in the meantime, and is verified then', async () => {
      policies = [];
      cluster.createNetworkPolicy.callsFake(async () => {
        policies = [{ metadata: { name: egressPolicyName }, spec: { podSelector: {}, policyTypes: ['Ingress'] } }];
        throw new ConflictError(facts, 'exists');
      });
      expect(await refused(guard.prepare({}), 'policy-differs')).to.include('does not apply to egress');
    });

    it('is missing if the worker may not create it', async () => {
      policies = [];
      cluster.createNetworkPolicy.rejects(new ForbiddenError(facts, 'no'));
      expect(await refused(guard.prepare({}), 'policy-missing')).to.include('may not create it');
    });

    it('is missing if it was deleted at once', async () => {
      policies = [];
      cluster.createNetworkPolicy.resolves();
      await refused(guard.prepare({}), 'policy-missing');
    });

    it('that differs refuses the container before any pod starts', async () => {
      const spec = { podSelector: {}, policyTypes: ['Egress'], egress: [{}] };
      policies = [{ metadata: { name: egressPolicyName }, spec }];
      await refused(guard.prepare({}), 'policy-differs');
      expect(probePods).to.deep.equal([]);
    });

    it('cannot be verified without the permission to list them', async () => {
      const forbidden = new ForbiddenError({ ...facts, verb: 'list' }, 'no');
      cluster.listNetworkPolicies.rejects(forbidden);
      expect(await rejection(guard.prepare({}))).to.equal(forbidden);
    });

    it('is verified again after an API server that does not answer', async () => {
      cluster.listNetworkPolicies.onFirstCall().rejects(new ApiUnavailableError(facts, 'away', 503));
      await finish(guard.prepare({}));
    });

    it('does not count if another one permits the pod to send', async () => {
      policies.push({ metadata: { name: 'dns' }, spec: { podSelector: {}, egress: [{ ports: [{ port: 53 }] }] } });
      expect(await refused(seal(), 'policy-differs')).to.include('NetworkPolicy dns permits egress of pod pod-1');
    });
  });

  context('the ordinary pod', () => {
    it('is started once for all containers, also for concurrent ones', async () => {
      await Promise.all([guard.prepare({}), guard.prepare({})]);
      expect((await guard.prepare({})).target).to.deep.equal(target);
      expect(probePods).to.deep.equal([false]);
    });

    it('is tried again until its network works', async () => {
      outcomes.ordinary = ['unreachable', 'refused', 'connected'];
      expect((await finish(guard.prepare({}))).target).to.deep.equal(target);
      expect(reach.callCount).to.equal(3);
    });

    for (const outcome of ['unreachable', 'refused'] as const)
      it(`proves nothing if its connection stays ${outcome}, and is started again for the next container`, async () => {
        outcomes.ordinary = [outcome];
        const message = await refused(guard.prepare({}), 'probe-inconclusive');
        expect(message).to.include(`does not reach 10.96.0.1:443 either (${outcome}) after 20000 ms`);
        outcomes.ordinary = ['connected'];
        await guard.prepare({});
        expect(probePods).to.deep.equal([false, false]);
      });
  });

  context('the hermetic pod', () => {
    it('is tried with the address that the ordinary pod has reached', async () => {
      await finish(seal());
      expect(reach.args.map(([podName, of]: readonly unknown[]) => [podName, of])).to.deep.equal([
        ['ordinary', undefined],
        ['pod-1', target],
        ['pod-1', target],
      ]);
    });

    it('is tried again until the policy is in effect', async () => {
      outcomes.sealed = ['connected', 'refused', 'connected', 'unreachable'];
      await finish(seal());
      expect(reach.callCount).to.equal(6);
    });

    it('is not isolated after one try without an answer', async () => {
      outcomes.sealed = ['unreachable', 'connected', 'unreachable', 'unreachable', 'connected'];
      await finish(seal());
      expect(reach.callCount).to.equal(5);
      outcomes.sealed = ['unreachable', 'connected'];
      await refused(seal(), 'policy-not-enforced');
    });

    it('is tried once more if the first try without an answer comes after the limit', async () => {
      outcomes.sealed = [...Array.from({ length: 40 }, () => 'connected' as const), 'unreachable'];
      await finish(seal());
      expect(reach.callCount).to.equal(43);
    });

    for (const outcome of ['connected', 'refused'] as const)
      it(`is refused if its connection is still ${outcome} after the limit`, async () => {
        outcomes.sealed = [outcome];
        const message = await refused(seal(), 'policy-not-enforced');
        expect(message).to.include(`pod pod-1 still reaches 10.96.0.1:443 (${outcome}) after 20000 ms`);
      });

    it('is abandoned when the signal aborts', async () => {
      outcomes.sealed = ['connected'];
      const ground = await guard.prepare({});
      const stop = new AbortController();
      const sealing = rejection(guard.requireSealed({ handle: 'h', podName: 'p' }, ground, { signal: stop.signal }));
      stop.abort(new Error('stopped'));
      expect((await finish(sealing)).message).to.equal('stopped');
    });
  });

  it('examines the cluster with a pod of each kind', async () => {
    expect(await finish(guard.examine({}))).to.equal(
      'An ordinary pod reaches 10.96.0.1:443, and a hermetic pod does not.',
    );
    expect(probePods).to.deep.equal([false, true]);
  });
});
