import { expect } from 'chai';

import { ContainerDisappearedError } from '../../../src/errors/repository.ts';
import {
  isConflict,
  isUnfit,
  sqlStateOf,
  toRepositoryError,
} from '../../../src/repository/postgres/connection/pg-error.ts';

/** Returns an error of the server, as both drivers report it. */
const answer = (code: string, facts: object = {}): Error =>
  Object.assign(new Error('message of the server'), { code, severity: 'ERROR', ...facts });
const code = (error: unknown): unknown => (toRepositoryError(error) as { code?: unknown }).code;

describe('toRepositoryError', () => {
  for (const state of [
    '08006',
    '57P01',
    '57P03',
    '57014',
    '53300',
    '53100',
    '55P03',
    '25006',
    '40001',
    '40P01',
    '42P01',
    '58030',
    'XX000',
    '08P01',
    '57P02',
    '57P05',
    '25P02',
  ]) {
    it(`returns a retryable RepositoryUnavailableError for SQLSTATE ${state}`, () => {
      const error = answer(state);
      expect(toRepositoryError(error)).to.include({
        code: 'KW_ERR_REPOSITORY_UNAVAILABLE',
        retryable: true,
        cause: error,
      });
    });
  }

  for (const state of ['28P01', '28000', '3D000', '42501']) {
    it(`returns an InvalidSpecError of the option for SQLSTATE ${state}, which is not retryable`, () => {
      expect(toRepositoryError(answer(state))).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'database',
        retryable: false,
      });
    });
  }

  it('names the field of a value that the schema rejects', () => {
    expect(toRepositoryError(answer('23505', { constraint: 'containers_handle_key' }))).to.include({ field: 'handle' });
    expect(toRepositoryError(answer('23503', { constraint: 'volumes_worker_name_fkey' }))).to.include({
      field: 'workerName',
    });
    expect(toRepositoryError(answer('23514', { constraint: 'processes_signal_check' }))).to.include({
      field: 'processes_signal_check',
    });
    expect(toRepositoryError(answer('23502', { column: 'location' }))).to.include({ field: 'location' });
    expect(toRepositoryError(answer('22P02'))).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'value' });
  });

  it('returns RepositoryUnavailableError for every failure on the way to the server', () => {
    for (const error of [
      Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
      Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }),
      new Error('Connection terminated unexpectedly'),
      new Error('timeout exceeded when trying to connect'),
    ]) {
      expect(code(error)).to.equal('KW_ERR_REPOSITORY_UNAVAILABLE');
    }
  });

  it('reports every failure if a host has several addresses', () => {
    const error = new AggregateError([
      new Error('connect ECONNREFUSED ::1:1'),
      new Error('connect ECONNREFUSED 127.0.0.1:1'),
    ]);
    expect((toRepositoryError(error) as Error).message).to.contain('::1:1; connect ECONNREFUSED 127.0.0.1:1');
  });

  it('returns errors of the library, programming errors and values that are no errors unchanged', () => {
    for (const error of [
      new ContainerDisappearedError('c', 'w'),
      new TypeError('x is not a function'),
      'a text',
      undefined,
    ]) {
      expect(toRepositoryError(error)).to.equal(error);
    }
  });
});

describe('isUnfit', () => {
  for (const state of [
    '08000',
    '08003',
    '08006',
    '08P01',
    '25006',
    '25P02',
    '57P01',
    '57P02',
    '57P03',
    '57P05',
    '58030',
    'XX000',
  ]) {
    it(`is true for SQLSTATE ${state}`, () => {
      expect(isUnfit(answer(state))).to.equal(true);
    });
  }

  for (const state of ['22P02', '23505', '40001', '42501', '42P01', '53100', '55P03', '57014']) {
    it(`is false for SQLSTATE ${state}, which concerns only the statement`, () => {
      expect(isUnfit(answer(state))).to.equal(false);
    });
  }

  it('is true if the server does not answer', () => {
    expect(isUnfit(new Error('Query read timeout'))).to.equal(true);
    expect(isUnfit(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))).to.equal(true);
  });
});

describe('isConflict', () => {
  it('is true only for deadlocks and serialization failures', () => {
    expect(['40001', '40P01', '40002', '23505', '57014'].map((state) => isConflict(answer(state)))).to.deep.equal([
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(isConflict(new Error('40001'))).to.equal(false);
  });

  it('does not treat the code of a system error as an SQLSTATE', () => {
    expect(sqlStateOf(Object.assign(new Error('no'), { code: 'EPIPE' }))).to.equal(undefined);
  });
});
