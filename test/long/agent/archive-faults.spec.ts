/** Failures of single calls while an archive file is written. `test/long/agent` covers every call. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';

import { type DynamicAgent, needDynamicAgent } from '../../support/faults/dynamic-agent.ts';
import { calls, type Fault } from '../../support/faults/fault-control.ts';
import { FaultRig } from '../../support/faults/fault-rig.ts';
import { type Outcome, outcomeOf } from '../../support/faults/scenario.ts';

const errno = { EIO: 5, EINVAL: 22, ENOSPC: 28, EROFS: 30, ENOSYS: 38, EOPNOTSUPP: 95, EDQUOT: 122 } as const;
const BYTES = Buffer.from('content of an archive');
const key = 'a/00/key';

describe('the write of an archive file', () => {
  let built: DynamicAgent;

  before(function () {
    built = needDynamicAgent(this);
  });

  interface Run {
    readonly outcome: Outcome;
    readonly content: string | undefined;
  }

  /** Writes a file while the first call of this name in the session fails. */
  async function write(call: string, error: keyof typeof errno, classes: number): Promise<Run> {
    const fault: Fault = { name: error, kind: 'error', errno: errno[error], classes };
    for (let at = 1; ; at++) {
      await using rig = await FaultRig.create(built);
      rig.serve();
      const connection = await rig.connect();
      rig.control.arm(fault, at);
      const outcome = await outcomeOf(connection.receive({ op: 'archive-write', id: 'w', key }, BYTES));
      rig.control.disarm();
      if (rig.control.fired === 0) throw new Error(`no call of ${call}`);
      if (rig.control.firedAt !== `session ${call}`) continue;
      const content = await readFile(join(rig.state, 'archives', key), 'utf8').catch(() => undefined);
      return { outcome, content };
    }
  }

  const codeOf = ({ outcome }: Run): unknown => (outcome.kind === 'error' ? outcome.failure.code : outcome.kind);

  for (const [call, error, code, classes] of [
    ['mkdirat', 'EROFS', 'NOT_PERMITTED', calls.allocates],
    ['openat', 'EDQUOT', 'DISK_FULL', calls.allocates],
    ['write', 'ENOSPC', 'DISK_FULL', calls.allocates],
    ['write', 'EIO', 'IO_ERROR', calls.allocates],
    ['fsync', 'EIO', 'IO_ERROR', calls.allocates],
    ['fsync', 'ENOSPC', 'DISK_FULL', calls.allocates],
    ['close', 'ENOSPC', 'DISK_FULL', calls.closes],
    ['close', 'EDQUOT', 'DISK_FULL', calls.closes],
    ['close', 'EIO', 'IO_ERROR', calls.closes],
    ['fstatat', 'EIO', 'IO_ERROR', calls.reads],
  ] as const)
    it(`fails with ${code} and leaves no file if ${call} fails with ${error}`, async () => {
      const run = await write(call, error, classes);
      expect(codeOf(run)).to.equal(code);
      expect(run.content).to.equal(undefined);
    });

  for (const error of ['EINVAL', 'ENOSYS', 'EOPNOTSUPP'] as const)
    it(`succeeds on a file system whose fsync fails with ${error}`, async () => {
      const run = await write('fsync', error, calls.allocates);
      expect(codeOf(run)).to.equal('result');
      expect(run.content).to.equal(BYTES.toString());
    });

  it('creates, writes and flushes the file before RESULT, and changes it in no other way', async () => {
    await using rig = await FaultRig.create(built);
    rig.serve();
    const connection = await rig.connect();
    rig.control.logging = true;
    await connection.receive({ op: 'archive-write', id: 'w', key }, BYTES);
    rig.control.logging = false;
    const log = rig.control.log().filter(({ role }) => role === 'session');
    const archives = log.filter(({ paths }) => paths.some((path) => path.includes('/archives')));
    expect(archives.map(({ call }) => call)).to.deep.equal(['mkdir', 'mkdir', 'mkdir', 'create', 'write', 'sync']);
    const flushed = log.findIndex(({ call }) => call === 'sync');
    expect(log.findIndex(({ call, paths }) => call === 'frame' && paths[0] === '8')).to.be.above(flushed);
  });
});
