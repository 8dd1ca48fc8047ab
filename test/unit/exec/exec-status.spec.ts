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

describe('the status of an exec', () => {
  it('is exit code 0 where it says Success', () => {
    expect(decodeExecStatus('{"metadata":{},"status":"Success"}')).to.deep.equal({ kind: 'exited', exitCode: 0 });
  });

  for (const exitCode of [1, 3, 126, 127, 137, 255]) {
    it(`is exit code ${String(exitCode)} where a cause says so`, () => {
      expect(decodeExecStatus(failedWith([{ reason: 'ExitCode', message: String(exitCode) }]))).to.deep.equal({
        kind: 'exited',
        exitCode,
      });
    });
  }

  it('is a failure with its words where the command could not be started', () => {
    const text =
      '{"status":"Failure","message":"container not found (\\"main\\")","reason":"InternalError","code":500}';
    expect(decodeExecStatus(text)).to.deep.equal({
      kind: 'failed',
      message: 'container not found ("main")',
      reason: 'InternalError',
      code: 500,
    });
  });

  it('is a failure where the words are missing', () => {
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
    it(`is unknown where it is ${JSON.stringify(text)}`, () => {
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
    it(`is unknown where the exit code is missing: ${JSON.stringify(causes)}`, () => {
      expect(decodeExecStatus(failedWith(causes))).to.equal(undefined);
    });
  }

  it('is never a success but for a whole object that says so', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const status = decodeExecStatus(text);
        expect(status?.kind === 'exited' && status.exitCode === 0).to.equal(false);
      }),
    );
  });
});
