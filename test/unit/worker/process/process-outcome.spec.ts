import { expect } from 'chai';

import { OutOfMemoryError } from '../../../../src/errors/pod.ts';
import { outcomeOf } from '../../../../src/worker/process/process-outcome.ts';

describe('outcomeOf', () => {
  const outOfMemory = (): OutOfMemoryError =>
    new OutOfMemoryError({ namespace: 'n', podName: 'p' }, { containerName: 'main', limitBytes: undefined });
  const base = { stdoutBytes: undefined, stderrBytes: undefined };

  it('throws OutOfMemoryError if the kernel killed a process, and the command has the exit status of a killed one', () => {
    const killed = { ...base, exitStatus: 137, signal: 9, oomKills: 1 };
    expect(() => outcomeOf(killed, outOfMemory)).to.throw(OutOfMemoryError);
  });

  it('returns any other result, with the kills that the command survived', () => {
    expect(outcomeOf({ ...base, exitStatus: 137, signal: 9, oomKills: 0 }, outOfMemory)).to.deep.equal({
      exitStatus: 137,
      signal: 9,
    });
    expect(outcomeOf({ ...base, exitStatus: 0, signal: undefined, oomKills: 2 }, outOfMemory)).to.deep.equal({
      exitStatus: 0,
      oomKills: 2,
    });
  });

  it('has the times of the command if they are stored', () => {
    const times = { startedAt: new Date(1), finishedAt: new Date(2) };
    const result = { ...base, exitStatus: 0, signal: undefined, oomKills: undefined };
    expect(outcomeOf({ ...result, ...times }, outOfMemory)).to.deep.equal({ exitStatus: 0, ...times });
    expect(outcomeOf(result, outOfMemory)).to.deep.equal({ exitStatus: 0 });
  });
});
