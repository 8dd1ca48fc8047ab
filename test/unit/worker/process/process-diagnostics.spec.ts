import { Writable } from 'node:stream';

import { expect } from 'chai';

import type { PodError } from '../../../../src/errors/pod.ts';
import { OutOfMemoryError } from '../../../../src/errors/pod.ts';
import type { Process, ProcessIO } from '../../../../src/runtime/process.ts';
import { EndedProcess } from '../../../../src/worker/process/ended-process.ts';
import { Collector } from '../../../contract/worker/setup.ts';
import { wireData, wireEnd } from '../../../support/agent/agent-wire.ts';
import { rejection } from '../../../support/rejection.ts';
import { PROCESS_RESULT, type ScriptedAgent, sha256 } from '../../../support/scripted-agent.ts';
import { evicted, Gate, podOf, ScriptedPod } from '../../../support/scripted-pod.ts';
import { settle } from '../../../support/virtual-clock.ts';

const gone = ['pod ci/pod no longer exists; its last known state:', '  node: not assigned', '  phase: Running'];

describe('the diagnostics of a pod with which wait() rejects', () => {
  let pod: ScriptedPod;
  let agent: ScriptedAgent;

  beforeEach(() => {
    pod = new ScriptedPod();
  });

  afterEach(async () => {
    await pod.close();
  });

  /** Starts to follow a process, and lets the agent accept the attachment. */
  async function follow(io: ProcessIO): Promise<Process> {
    const process = pod.follow(io);
    process.wait().catch(() => undefined);
    ({ agent } = await pod.attached());
    return process;
  }

  /** Deletes the pod, with an agent that no longer responds. */
  async function vanish(): Promise<void> {
    pod.becomes(undefined);
    await settle();
  }

  it("follow the command's own stderr, once for all calls of wait()", async () => {
    const [stdout, stderr] = [new Collector(), new Collector()];
    const process = await follow({ stdout, stderr });
    const waits = [process.wait(), process.wait()].map(rejection);
    agent.send(wireData(2, 0, Buffer.from('own words')));
    await settle();
    await vanish();
    const [error, same] = (await Promise.all(waits)) as PodError[];
    expect(error).to.equal(same).and.to.include({ code: 'KW_ERR_POD_DELETED' });
    expect(error?.diagnostics?.split('\n')).to.deep.equal(gone);
    expect(error?.message).to.not.include('phase');
    expect(stderr.text.split('\n')).to.deep.equal(['own words', ...gone, '']);
    expect(stdout.text).to.equal('');
  });

  it('do not count in the position', async () => {
    const process = await follow({ stderr: new Collector() });
    agent.send(wireData(2, 0, Buffer.from('own words')));
    await settle();
    await vanish();
    await rejection(process.wait());
    expect(process.position()).to.deep.equal({ stdoutBytes: 0, stderrBytes: 9 });
  });

  it('are those of an eviction', async () => {
    const stderr = new Collector();
    const waiting = rejection((await follow({ stderr })).wait());
    pod.becomes(podOf('terminated', { status: { ...evicted.status, phase: 'Failed', reason: 'Evicted' } }));
    expect(await waiting).to.include({ code: 'KW_ERR_POD_EVICTED' });
    expect(stderr.text).to.include('  reason: Evicted\n').and.include('DisruptionTarget: True, TerminationByKubelet');
  });

  it('are those of a command that the kernel killed, whose result is stored before', async () => {
    const stderr = new Collector();
    const waiting = rejection((await follow({ stderr })).wait());
    const nothing = sha256(Buffer.alloc(0));
    agent.send(wireEnd(1, 0, nothing), wireEnd(2, 0, nothing));
    agent.json('RESULT', { ...PROCESS_RESULT, exitStatus: 137, oomKills: 1 });
    const error = (await waiting) as PodError;
    expect(error).to.be.instanceOf(OutOfMemoryError);
    expect(error.diagnostics).to.include('pod ci/pod:');
    expect(stderr.text).to.equal(`\n${error.diagnostics}\n`);
    expect(pod.stored.has('x')).to.equal(true);
  });

  const writables: Readonly<Record<string, () => Writable | undefined>> = {
    'is absent': () => undefined,
    'is destroyed': () => new Collector().destroy(),
    fails: () => new Writable({ write: (_chunk, _encoding, done) => done(new Error('broken pipe')) }),
    'accepts nothing': () => new Gate(),
    throws: () =>
      Object.assign(new Collector(), {
        write: () => {
          throw new Error('broken');
        },
      }),
  };
  for (const [what, open] of Object.entries(writables)) {
    it(`do not change the outcome if stderr ${what}`, async () => {
      const stderr = open();
      const waiting = rejection((await follow({ stderr })).wait());
      await vanish();
      expect(await waiting).to.include({ code: 'KW_ERR_POD_DELETED' });
      await settle();
    });
  }

  it('do not wait for a stderr that does not accept the output before', async () => {
    const waiting = rejection((await follow({ stderr: new Gate() })).wait());
    for (const offset of [0, 9, 18]) agent.send(wireData(2, offset, Buffer.from('own words')));
    await settle();
    await vanish();
    expect(await waiting).to.include({ code: 'KW_ERR_POD_DELETED' });
  });

  it('are left out if the mask fails', async () => {
    pod.mask = () => undefined;
    const stderr = new Collector();
    const waiting = rejection((await follow({ stderr })).wait());
    await vanish();
    expect(await waiting).to.include({ code: 'KW_ERR_POD_DELETED', diagnostics: undefined });
    expect(stderr.text).to.equal('');
  });

  it('are not written after a detach', async () => {
    const stderr = new Collector();
    const process = await follow({ stderr });
    pod.becomes(undefined);
    const detached = process[Symbol.asyncDispose]();
    await settle();
    agent.json('ERROR', { code: 'CANCELLED', message: '' });
    await detached;
    expect(stderr.text).to.equal('');
  });

  it('are written once also for a process of which only the stored result remains', async () => {
    const stderr = new Collector();
    const result = { exitStatus: 137, signal: undefined, oomKills: 1, stdoutBytes: 0, stderrBytes: 0 };
    const { pods } = pod.components;
    const memoryKill = () => pods.outOfMemory('pod', { containerName: 'main', limitBytes: undefined });
    const process = new EndedProcess({
      id: 'x',
      handle: 'box',
      result,
      from: 'start',
      io: { stderr },
      memoryKill,
      pods,
    });
    pod.becomes(undefined);
    const errors = (await Promise.all([process.wait(), process.wait()].map(rejection))) as PodError[];
    expect(errors.map(({ diagnostics }) => diagnostics?.split('\n')[0])).to.deep.equal([gone[0], gone[0]]);
    expect(stderr.text.split('no longer exists')).to.have.length(2);
  });
});

describe('a node that is no longer ready while a process is followed', () => {
  const conditions = (ready: string, containersReady: string): object => ({
    conditions: [
      { type: 'Ready', status: ready },
      { type: 'ContainersReady', status: containersReady },
    ],
  });
  const states = [
    ['True', 'True'],
    ['False', 'True'],
    ['False', 'True'],
    ['True', 'True'],
    ['False', 'False'],
  ] as const;

  it('is one line in the log, and none on stderr; the process continues', async () => {
    const pod = new ScriptedPod();
    const stderr = new Collector();
    const process = pod.follow({ stderr });
    let hasSettled = false;
    const settled = (): boolean => (hasSettled = true);
    process.wait().then(settled, settled);
    for (const [ready, containersReady] of states) {
      const state = podOf('running', { status: conditions(ready, containersReady) });
      pod.becomes({ ...state, spec: { containers: [], nodeName: 'n' } });
      await settle();
    }
    expect(pod.warnings).to.deep.equal(['node not ready; the command may still run there']);
    expect(stderr.text).to.equal('');
    expect(hasSettled).to.equal(false);
    await pod.close();
  });
});
