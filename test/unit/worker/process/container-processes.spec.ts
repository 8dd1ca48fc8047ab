import { expect } from 'chai';

import type { ContainerQueries } from '../../../../src/repository/container-queries.ts';
import type { ProcessResultRecord } from '../../../../src/repository/records.ts';
import { ContainerProcesses } from '../../../../src/worker/process/container-processes.ts';
import { rejection } from '../../../support/rejection.ts';
import { PROCESS_RESULT } from '../../../support/scripted-agent.ts';
import { cut, deleted, evicted, podOf, ScriptedPod } from '../../../support/scripted-pod.ts';
import { settle } from '../../../support/virtual-clock.ts';

const stored: ProcessResultRecord = { exitStatus: 3, signal: undefined, oomKills: 0 };

describe('ContainerProcesses', () => {
  let pod: ScriptedPod;

  beforeEach(() => {
    pod = new ScriptedPod();
  });

  afterEach(async () => {
    await pod.close();
  });

  function processes({ podIsMissing = false } = {}): ContainerProcesses {
    const queries = {
      processResults: async () => [...pod.stored].map(([processId, result]) => ({ processId, result })),
    } as unknown as ContainerQueries;
    const { pods } = pod.components;
    const memoryKill = () => pods.outOfMemory('pod', { containerName: 'main', limitBytes: 1 });
    const target = { handle: 'box', podName: 'pod', workerName: 'worker', podIsMissing, memoryKill };
    return new ContainerProcesses(target, { ...pod.components, queries });
  }

  /** Lets the agent respond to the next operation. */
  async function answer(op: string, result: object): Promise<void> {
    (await pod.setup.opened(op)).agent.json('RESULT', result);
    await settle();
  }

  function status(...states: readonly (readonly [string, string])[]): object {
    return {
      incarnation: 'i',
      version: '1',
      processes: states.map(([id, state]) => ({ id, state, exitStatus: null, signal: null, pid: null })),
      volumes: [],
      operations: 0,
      freeBytes: 0,
      totalBytes: 0,
      oomKills: 0,
    };
  }

  context('when listed', () => {
    it('has the states that the agent reports; a stored result wins', async () => {
      pod.stored.set('b', stored);
      pod.stored.set('old', stored);
      const listing = processes().list({});
      await answer('status', status(['d', 'ended'], ['c', 'lost'], ['b', 'running'], ['a', 'running']));
      expect(await listing).to.deep.equal([
        { id: 'a', state: 'running' },
        { id: 'b', state: 'ended', result: { exitStatus: 3 } },
        { id: 'c', state: 'lost' },
        { id: 'd', state: 'ended' },
        { id: 'old', state: 'ended', result: { exitStatus: 3 } },
      ]);
    });

    it('has a result that is stored while the agent responds', async () => {
      const listing = processes().list({});
      await settle();
      pod.stored.set('a', stored);
      await answer('status', status(['a', 'running']));
      expect((await listing)[0]).to.include({ state: 'ended' });
    });

    it('has the stored results if the pod no longer exists', async () => {
      pod.stored.set('a', { ...stored, exitStatus: 137, oomKills: 1 });
      const expected = [{ id: 'a', state: 'ended', result: { exitStatus: 137, oomKills: 1 } }];
      expect(await processes({ podIsMissing: true }).list({})).to.deep.equal(expected);
      pod.cutOff();
      pod.becomes(undefined);
      expect(await processes().list({})).to.deep.equal(expected);
    });

    it('rejects if the pod cannot be reached while commands may still run in it', async () => {
      pod.cutOff();
      for (const [ending, code] of [
        [deleted, 'KW_ERR_POD_DELETED'],
        [evicted, 'KW_ERR_POD_EVICTED'],
      ] as const) {
        pod.becomes(podOf('running', ending));
        expect(await rejection(processes().list({}))).to.include({ code, mayStillRun: true });
        expect((await rejection(processes().find('a', {}))).code).to.equal(code);
      }
    });
  });

  context('when one is looked up', () => {
    it('returns a stored result without a connection', async () => {
      pod.stored.set('a', stored);
      expect(await processes().find('a', {})).to.deep.equal({ id: 'a', state: 'ended', result: { exitStatus: 3 } });
      expect(pod.setup.agents).to.have.length(0);
    });

    it('returns what the agent reports, or undefined', async () => {
      for (const [id, expected] of [
        ['a', { id: 'a', state: 'running' }],
        ['b', { id: 'b', state: 'lost' }],
        ['c', { id: 'c', state: 'ended' }],
        ['never', undefined],
      ] as const) {
        const finding = processes().find(id, {});
        await answer('status', status(['a', 'running'], ['b', 'lost'], ['c', 'ended']));
        expect(await finding).to.deep.equal(expected);
      }
    });

    it('returns a result that is stored while the agent responds, or while the pod ends', async () => {
      const expected = { id: 'a', state: 'ended', result: { exitStatus: 3 } };
      const finding = processes().find('a', {});
      await settle();
      pod.stored.set('a', stored);
      await answer('status', status(['a', 'ended']));
      expect(await finding).to.deep.equal(expected);
      pod.stored.clear();
      pod.setup.client.close();
      pod = new ScriptedPod();
      pod.cutOff();
      const late = processes().find('a', {});
      pod.becomes(undefined);
      pod.stored.set('a', stored);
      expect(await late).to.deep.equal(expected);
    });
  });

  context('when stopped', () => {
    it('receives TERM, and KILL after 10 s; its result is stored and returned', async () => {
      const stopping = processes().stop('x', {});
      const { agent, open } = await pod.setup.opened('stop');
      expect(open).to.include({ process: 'x', graceMs: 10_000 });
      agent.json('OPENED', {});
      agent.json('RESULT', { ...PROCESS_RESULT, exitStatus: 143, signal: 15 });
      const times = { startedAt: new Date(1000), finishedAt: new Date(2000) };
      expect(await stopping).to.deep.equal({ exitStatus: 143, signal: 15, ...times });
      expect(pod.stored.get('x')).to.deep.include({ exitStatus: 143, signal: 15, ...times });
    });

    it('returns the stored result of a process that has ended, without a connection', async () => {
      pod.stored.set('x', stored);
      expect(await processes().stop('x', {})).to.deep.equal({ exitStatus: 3 });
      expect(await processes({ podIsMissing: true }).stop('x', {})).to.deep.equal({ exitStatus: 3 });
      expect(pod.setup.agents).to.have.length(0);
    });

    it('is stopped again over another connection if the first is lost', async () => {
      const stopping = processes().stop('x', {});
      const { agent } = await pod.setup.opened('stop');
      agent.lose(cut);
      await pod.setup.clock.advance(5_000);
      await answer('stop', PROCESS_RESULT);
      expect(await stopping).to.include({ exitStatus: 0 });
      expect(pod.setup.agents).to.have.length(2);
    });

    it('has no result if the end of its pod ended it', async () => {
      const stopping = rejection(processes().stop('x', {}));
      pod.becomes(podOf('running', evicted));
      await answer('stop', { ...PROCESS_RESULT, exitStatus: 143, signal: 15, shutdown: true });
      pod.becomes(podOf('terminated', evicted));
      expect(await stopping).to.include({ code: 'KW_ERR_POD_EVICTED', mayStillRun: false });
      expect(pod.stored.size).to.equal(0);
    });

    it('has no result if a signal ended it, its pod is being deleted, and its agent has protocol 2', async () => {
      pod = new ScriptedPod({}, undefined, 2);
      const stopping = rejection(processes().stop('x', {}));
      const { agent } = await pod.setup.opened('stop');
      pod.becomes(podOf('running', deleted));
      agent.json('RESULT', { ...PROCESS_RESULT, exitStatus: 143, signal: 15 });
      await settle();
      pod.becomes(undefined);
      expect((await stopping).code).to.equal('KW_ERR_CONTAINER_DISAPPEARED');
      expect(pod.stored.size).to.equal(0);
    });

    it('returns the result that another host stored before the pod ended, and rejects without one', async () => {
      const [stopping, other] = [processes().stop('x', {}), rejection(processes().stop('y', {}))];
      await settle();
      pod.stored.set('x', stored);
      pod.becomes(undefined);
      expect(await stopping).to.deep.equal({ exitStatus: 3 });
      expect((await other).code).to.equal('KW_ERR_CONTAINER_DISAPPEARED');
    });

    it('rejects with the reason of the signal, which stops only the wait', async () => {
      const abort = new AbortController();
      const reason = new Error('enough');
      const stopping = rejection(processes().stop('x', { signal: abort.signal }));
      await pod.setup.opened('stop');
      abort.abort(reason);
      expect(await stopping).to.equal(reason);
      expect(pod.stored.size).to.equal(0);
    });

    it('rejects with OUT_OF_MEMORY if the kernel killed it for memory, and its result is stored', async () => {
      for (const _ of ['agent', 'database']) {
        const stopping = rejection(processes().stop('x', {}));
        if (!pod.stored.has('x')) await answer('stop', { ...PROCESS_RESULT, exitStatus: 137, signal: 9, oomKills: 1 });
        expect((await stopping).code).to.equal('KW_ERR_OUT_OF_MEMORY');
        expect(pod.stored.get('x')).to.include({ exitStatus: 137, oomKills: 1 });
      }
    });
  });

  context('when signalled', () => {
    it('receives the signal', async () => {
      const signalling = processes().signal('x', 10, {});
      const { agent, open } = await pod.setup.opened('signal');
      expect(open).to.include({ process: 'x', signal: 10 });
      agent.json('RESULT', {});
      await signalling;
    });

    it('ignores the signal if its pod has ended and its result is stored, and rejects without a result', async () => {
      pod.stored.set('x', stored);
      await processes({ podIsMissing: true }).signal('x', 10, {});
      expect(await rejection(processes({ podIsMissing: true }).signal('y', 10, {}))).to.include({
        code: 'KW_ERR_CONTAINER_DISAPPEARED',
        handle: 'box',
      });
    });
  });
});
