import { expect } from 'chai';

import { environmentProxy } from '../../../src/kubernetes/access/environment-proxy.ts';

const proxy = 'http://proxy:3128';

const isProxied = (url: string, noProxy: string): boolean =>
  environmentProxy(new URL(url), { HTTPS_PROXY: proxy, HTTP_PROXY: proxy, NO_PROXY: noProxy }) !== undefined;

describe('environmentProxy', () => {
  it('selects the variable by the scheme of the server, prefers upper case, and defaults to http', () => {
    const secure = new URL('https://api.example');
    const plain = new URL('http://api.example');
    expect(environmentProxy(secure, { HTTP_PROXY: proxy })).to.equal(undefined);
    expect(environmentProxy(plain, { HTTPS_PROXY: proxy })).to.equal(undefined);
    expect(environmentProxy(secure, { HTTPS_PROXY: proxy, https_proxy: 'http://other' })).to.equal(proxy);
    expect(environmentProxy(secure, { HTTPS_PROXY: '', https_proxy: 'other:1' })).to.equal('http://other:1');
    expect(environmentProxy(secure, {})).to.equal(undefined);
  });

  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '[::1]']) {
    it(`returns no proxy for ${host}`, () => {
      expect(isProxied(`https://${host}:6443`, '')).to.equal(false);
    });
  }

  for (const [url, noProxy, expected] of [
    ['https://api.example:6443', '*', false],
    ['https://api.example:6443', 'example', false],
    ['https://api.example:6443', '.example', false],
    ['https://api.example:6443', '*.example', false],
    ['https://API.example:6443', 'api.EXAMPLE', false],
    ['https://api.example:6443', 'other , api.example', false],
    ['https://api.example:6443', 'api.example:6443', false],
    ['https://api.example:6443', 'api.example:443', true],
    ['https://api.example', 'api.example:443', false],
    ['http://api.example', 'api.example:80', false],
    ['https://example', '.example', true],
    ['https://myexample', 'example', true],
    ['https://10.1.2.3:6443', '10.1.2.3', false],
    ['https://10.1.2.3:6443', '10.1.2.3:6443', false],
    ['https://10.1.2.3:6443', '10.1.2.3:1', true],
    ['https://10.1.2.3:6443', '10.0.0.0/8', false],
    ['https://11.1.2.3:6443', '10.0.0.0/8', true],
    ['https://10.1.2.3:6443', '2.3', true],
    ['https://[2001:db8::1]:6443', '2001:db8::1', false],
    ['https://[2001:db8::1]:6443', '[2001:db8::1]:6443', false],
    ['https://[2001:db8::1]:6443', '2001:db8::/32', false],
    ['https://[2001:db9::1]:6443', '2001:db8::/32', true],
    ['https://[2001:db8::1]:6443', '10.0.0.0/8', true],
    ['https://10.1.2.3:6443', '10.0.0.0/99', true],
    ['https://api.example:6443', ',, ,', true],
  ] as const) {
    it(`returns ${expected ? 'the' : 'no'} proxy for ${url} with NO_PROXY=${JSON.stringify(noProxy)}`, () => {
      expect(isProxied(url, noProxy)).to.equal(expected);
    });
  }
});
