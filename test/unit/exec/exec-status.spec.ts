import { expect } from 'chai';
import fc from 'fast-check';

import { decodeExecStatus } from '../../../src/exec/exec-status.ts';

function failedWith(causes: unknown): string {
  return JSON.stringify({
    metadata: {},
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: 'm',
    details: { causes },
  });
}

describe('decodeExecStatus', () => {
  it('returns exit code 0 for Success', () => {
    expect(decodeExecStatus('{"metadata":{},"status":"Success"}')).to.deep.equal({ kind: 'exited', exitCode: 0 });
  });

  for (const exitCode of [1, 3, 126, 127, 137, 255]) {
    it(`returns exit code ${String(exitCode)} from a cause`, () => {
      expect(decodeExecStatus(failedWith([{ reason: 'ExitCode', message: String(exitCode) }]))).to.deep.equal({
        kind: 'exited',
        exitCode,
      });
    });
  }

  it('returns a failure with message, reason and code if the command could not be started', () => {
    const text =
      '{"status":"Failure","message":"container not found (\\"main\\")","reason":"InternalError","code":500}';
    expect(decodeExecStatus(text)).to.deep.equal({
      kind: 'failed',
      message: 'container not found ("main")',
      reason: 'InternalError',
      code: 500,
    });
  });

  it('returns a failure if message, reason and code are missing', () => {
    expect(decodeExecStatus('{"status":"Failure"}')).to.deep.equal({
      kind: 'failed',
      message: 'no message',
      reason: undefined,
      code: undefined,
    });
  });

  for (const text of [
    '',
    ' ',
    '{}',
    '[]',
    'null',
    '{"status":"Suc',
    '"Success"',
    '{"status":"success"}',
    '{"status":0}',
  ]) {
    it(`returns undefined for ${JSON.stringify(text)}`, () => {
      expect(decodeExecStatus(text)).to.equal(undefined);
    });
  }

  for (const causes of [
    undefined,
    [],
    [{ reason: 'ExitCode' }],
    [{ reason: 'ExitCode', message: '' }],
    [{ reason: 'ExitCode', message: '0' }],
    [{ reason: 'ExitCode', message: '-1' }],
    [null],
    'x',
  ]) {
    it(`returns undefined if the exit code is missing: ${JSON.stringify(causes)}`, () => {
      expect(decodeExecStatus(failedWith(causes))).to.equal(undefined);
    });
  }

  it('returns exit code 0 only for a complete object with Success', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const status = decodeExecStatus(text);
        expect(status?.kind === 'exited' && status.exitCode === 0).to.equal(false);
      }),
    );
  });
});
