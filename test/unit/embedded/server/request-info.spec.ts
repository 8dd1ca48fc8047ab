import { expect } from 'chai';
import { ApiError } from '../../../../src/embedded/objects/status.ts';
import { parseRequest } from '../../../../src/embedded/server/request-info.ts';

describe('parseRequest', () => {
  it('parses collections, objects and subresources', () => {
    const { verb, target } = parseRequest('GET', '/api/v1/namespaces/n/pods/p/log?follow=true');
    expect([verb, target?.resource.plural, target?.namespace, target?.name, target?.subresource]).to.deep.equal([
      'get',
      'pods',
      'n',
      'p',
      'log',
    ]);
    expect(parseRequest('GET', '/api/v1/pods?watch=1').verb).to.equal('watch');
    expect(parseRequest('DELETE', '/api/v1/namespaces/n/pods').verb).to.equal('deletecollection');
    expect(parseRequest('GET', '/api/v1/namespaces/n').target?.name).to.equal('n');
  });

  it('parses the paths of a named group, each of which has only its own kinds', () => {
    const path = '/apis/networking.k8s.io/v1/namespaces/n/networkpolicies';
    const { verb, target } = parseRequest('GET', `${path}/p`);
    expect([verb, target?.resource.plural, target?.namespace, target?.name]).to.deep.equal([
      'get',
      'networkpolicies',
      'n',
      'p',
    ]);
    expect(parseRequest('POST', path).verb).to.equal('create');
    expect(parseRequest('GET', '/apis/networking.k8s.io/v1').target).to.equal(undefined);
    for (const wrong of ['/api/v1/namespaces/n/networkpolicies', '/apis/networking.k8s.io/v1/namespaces/n/pods'])
      expect(() => parseRequest('GET', wrong))
        .to.throw(ApiError)
        .with.property('code', 404);
  });

  it('rejects an unknown kind with 404 and a malformed path with 400', () => {
    expect(() => parseRequest('GET', '/api/v1/nothings'))
      .to.throw(ApiError)
      .with.property('code', 404);
    expect(() => parseRequest('GET', '/api/v1/pods/%zz'))
      .to.throw(ApiError)
      .with.property('code', 400);
  });
});
