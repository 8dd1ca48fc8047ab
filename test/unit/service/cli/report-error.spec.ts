import { PassThrough } from 'node:stream';

import { expect } from 'chai';

import type { CliContext } from '../../../../src/service/cli/cli-context.ts';
import { CliError, InterruptedError, StdoutClosedError, UsageError } from '../../../../src/service/cli/cli-error.ts';
import { reportError } from '../../../../src/service/cli/report-error.ts';
import { samples } from '../../errors/error-samples.ts';

function report(error: unknown): { readonly exitCode: number; readonly stderr: string } {
  const stderr = new PassThrough();
  const context: CliContext = {
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr,
    env: {},
    signal: new AbortController().signal,
  };
  const exitCode = reportError(error, context);
  return { exitCode, stderr: String(stderr.read() ?? '') };
}

function exitCodesOf(codes: readonly (keyof typeof samples)[]): readonly number[] {
  return codes.flatMap((code) => samples[code].map((error) => report(error).exitCode));
}

describe('the report of an error', () => {
  it('exits with 69 if the API server, its credentials, the database or a store is not available', () => {
    const codes = exitCodesOf([
      'KW_ERR_API_UNAVAILABLE',
      'KW_ERR_CREDENTIALS_UNAVAILABLE',
      'KW_ERR_REPOSITORY_UNAVAILABLE',
      'KW_ERR_STORE_UNAVAILABLE',
    ]);
    expect(new Set(codes)).to.deep.equal(new Set([69]));
  });

  it('exits with 64 for a refused argument', () => {
    expect(report(samples.KW_ERR_INVALID_SPEC[0]).exitCode).to.equal(64);
    expect(report(new UsageError('--since-bytes: 1x is not a number'))).to.deep.equal({
      exitCode: 64,
      stderr: 'error: --since-bytes: 1x is not a number\n',
    });
  });

  it('exits with 78 for a database of another version', () => {
    expect(
      new Set(exitCodesOf(['KW_ERR_SCHEMA_TOO_NEW', 'KW_ERR_MIGRATION_CHANGED', 'KW_ERR_WORKER_NOT_FOUND'])),
    ).to.deep.equal(new Set([78]));
  });

  it('exits with 75 for another error that is retryable, and with 1 for one that is not', () => {
    expect(report(samples.KW_ERR_QUOTA_EXCEEDED[0]).exitCode).to.equal(75);
    expect(report(samples.KW_ERR_FORBIDDEN[0]).exitCode).to.equal(1);
  });

  it('contains the code, the message and what to do', () => {
    const { stderr } = report(samples.KW_ERR_SCHEMA_TOO_NEW[0]);
    expect(stderr).to.match(/^error: KW_ERR_SCHEMA_TOO_NEW: .+\nuse the version of the program that has migrated/);
  });

  it('refers to the explanation of an error without advice of its own', () => {
    expect(report(samples.KW_ERR_POD_EVICTED[0]).stderr).to.contain(
      '\nsee: kubernetes-worker explain error KW_ERR_POD_EVICTED\n',
    );
  });

  it('prints all lines of an error of the configuration, and exits with 78', () => {
    const error = Object.assign(new Error('config.yaml:2:3 limits: unknown key\nKW_X: unknown variable'), {
      name: 'ConfigError',
    });
    expect(report(error)).to.deep.equal({ exitCode: 78, stderr: `${error.message}\n` });
  });

  it('exits with 70 and prints the stack of an error of the program itself', () => {
    const { exitCode, stderr } = report(new TypeError('x is not a function'));
    expect(exitCode).to.equal(70);
    expect(stderr).to.match(/^internal error: TypeError: x is not a function\n +at /);
  });

  it('prints nothing for an interruption and for a closed stdout', () => {
    expect(report(new InterruptedError('SIGINT'))).to.deep.equal({ exitCode: 130, stderr: '' });
    expect(report(new InterruptedError('SIGTERM'))).to.deep.equal({ exitCode: 143, stderr: '' });
    expect(report(new StdoutClosedError())).to.deep.equal({ exitCode: 0, stderr: '' });
  });

  it('escapes control characters', () => {
    expect(report(new CliError('\u001b[31mred', 1, { advice: 'a\u009bb' })).stderr).to.equal(
      'error: \\u{1b}[31mred\na\\u{9b}b\n',
    );
  });
});
