import { expect } from 'chai';
import { ApiError } from '../../../../src/embedded/objects/status.ts';
import { negotiate } from '../../../../src/embedded/server/representation.ts';

describe('negotiate', () => {
  it('returns the first form that the server supports', () => {
    expect(negotiate('application/json;as=Table;v=v1;g=meta.k8s.io,application/json')).to.equal('table');
    expect(negotiate('application/vnd.kubernetes.protobuf, application/json')).to.equal('object');
    expect(negotiate(undefined)).to.equal('object');
    expect(() => negotiate('text/html'))
      .to.throw(ApiError)
      .with.property('code', 406);
  });
});
