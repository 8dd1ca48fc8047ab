import { expect } from 'chai';

import { PassRecord } from '../../../src/controllers/pass-record.ts';
import { RepositoryUnavailableError } from '../../../src/errors/repository.ts';

describe('PassRecord', () => {
  it('has the last begin, success and failure, each with its time, and the code of the failure', () => {
    let now = 0;
    const record = new PassRecord('reaper', 30_000, { now: () => now });
    const never = { beganAt: undefined, succeededAt: undefined, failedAt: undefined, failure: undefined };
    expect(record.state).to.deep.equal({ name: 'reaper', everyMs: 30_000, ...never });
    record.began();
    now = 1;
    record.failed(new RepositoryUnavailableError('down'));
    expect(record.state).to.deep.include({ beganAt: new Date(0), failedAt: new Date(1), succeededAt: undefined });
    expect(record.state.failure).to.equal('KW_ERR_REPOSITORY_UNAVAILABLE');
    now = 2;
    record.succeeded();
    now = 3;
    record.failed(new Error('planted'));
    expect(record.state).to.deep.include({ succeededAt: new Date(2), failedAt: new Date(3), failure: 'OTHER' });
  });
});
