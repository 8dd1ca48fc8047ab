import { expect } from 'chai';
import sinon from 'sinon';

import { ExecConnectionLostError } from '../../../src/errors/connection.ts';
import { HermeticNotEnforcedError } from '../../../src/errors/hermetic.ts';
import type { ExecHandlers } from '../../../src/exec/exec-connection.ts';
import type { ExecStatus } from '../../../src/exec/exec-status.ts';
import { parseOutcome, type ReachTarget, reachFromPod } from '../../../src/hermetic/reach-probe.ts';
import { rejection } from '../../support/rejection.ts';

const target = { host: '10.96.0.1', port: '443' };
const lost = new ExecConnectionLostError('ended', { bytesReceived: 0, bytesSent: 0 });

describe('reachFromPod', () => {
  let close: sinon.SinonSpy;
  let exec: sinon.SinonStub;

  const ending = (stdout: string, status: ExecStatus | undefined, stderrTail = ''): void => {
    const start = ({ data, end }: ExecHandlers): void => {
      for (const part of stdout.split(/(?=0)/)) data(Buffer.from(part));
      end(lost);
    };
    exec.resolves({ start, close, status, stderrTail });
  };
  const reach = (of: ReachTarget | undefined = target) =>
    reachFromPod({ namespace: 'ci', exec }, { podName: 'p', target: of }, {});

  beforeEach(() => {
    close = sinon.spy();
    exec = sinon.stub();
  });

  afterEach(() => {
    sinon.assert.calledOnce(close);
  });

  it('returns the outcome that the agent reports for the target', async () => {
    ending('unreachable 10.96.0.1 443\n', { kind: 'exited', exitCode: 1 });
    expect(await reach()).to.deep.equal({ outcome: 'unreachable', target });
    expect(exec.firstCall.args[1]).to.deep.equal(['/.kw-agent/agent', 'reach', '10.96.0.1', '443', '2000']);
  });

  it("lets the agent find the API server's Service, and returns its address", async () => {
    ending('connected fd00::1 6443\n', { kind: 'exited', exitCode: 0 });
    expect(await reachFromPod({ namespace: 'ci', exec }, { podName: 'p', target: undefined }, {})).to.deep.equal({
      outcome: 'connected',
      target: { host: 'fd00::1', port: '6443' },
    });
    expect(exec.firstCall.args[1]).to.deep.equal(['/.kw-agent/agent', 'reach', '-', '-', '2000']);
  });

  it('rejects with the reason of the end if the exit code is unknown', async () => {
    ending('unreachable 10.96.0.1 443\n', undefined);
    expect(await rejection(reach())).to.equal(lost);
  });

  for (const [title, stdout, exitCode, stderr] of [
    ['an agent without the command', '', 2, 'usage: agent serve STATE'],
    ['another target', 'unreachable 10.96.0.2 443\n', 1, ''],
    ['another port', 'unreachable 10.96.0.1 444\n', 1, ''],
    ['an exit code without an outcome', '', 1, ''],
  ] as const)
    it(`never takes ${title} as isolation`, async () => {
      ending(stdout, { kind: 'exited', exitCode }, stderr);
      const error = await rejection(reach());
      expect(error).to.be.instanceOf(HermeticNotEnforcedError).with.property('reason', 'probe-inconclusive');
      expect(error.message).to.include(`exit code ${exitCode} and no outcome: ${(stdout + stderr).trim()}`);
    });
});

describe('parseOutcome', () => {
  it('accepts a line and an exit code that agree', () => {
    expect(parseOutcome('connected ::1 443\n', 0)?.outcome).to.equal('connected');
    expect(parseOutcome('refused 127.0.0.1 443\n', 0)?.outcome).to.equal('refused');
    expect(parseOutcome('unreachable 127.0.0.1 443\n', 1)?.outcome).to.equal('unreachable');
  });

  for (const [line, exitCode] of [
    ['connected ::1 443\n', 1],
    ['refused ::1 443\n', 1],
    ['unreachable ::1 443\n', 0],
    ['unreachable ::1 443\n', 2],
    ['unreachable ::1 443', 1],
    ['x unreachable ::1 443\n', 1],
    ['', 1],
  ] as const)
    it(`accepts no ${JSON.stringify(line)} with exit code ${exitCode}`, () => {
      expect(parseOutcome(line, exitCode)).to.equal(undefined);
    });
});
