import { expect } from 'chai';

import { execUrl } from '../../../src/kubernetes/api/exec-target.ts';

describe('execUrl', () => {
  const target = { podName: 'p', containerName: 'main', command: ['/.kw-agent/agent', 'connect', '/.kw'] };

  it('repeats the command and attaches all three streams', () => {
    const url = new URL(execUrl('https://host:6443', 'ci', target));
    expect(url.origin).to.equal(new URL('wss://host:6443').origin);
    expect(url.pathname).to.equal('/api/v1/namespaces/ci/pods/p/exec');
    expect(url.searchParams.getAll('command')).to.deep.equal(target.command);
    expect(Object.fromEntries(url.searchParams)).to.include({
      container: 'main',
      stdin: 'true',
      stdout: 'true',
      stderr: 'true',
      tty: 'false',
    });
  });

  it('keeps the path of the server, and uses TLS only if the server does', () => {
    expect(execUrl('https://rancher/k8s/clusters/c-1/', 'ci', target)).to.match(
      /^wss:\/\/rancher\/k8s\/clusters\/c-1\/api\/v1\//,
    );
    expect(execUrl('http://127.0.0.1:8001', 'ci', target)).to.match(/^ws:\/\/127\.0\.0\.1:8001\/api\/v1\//);
  });

  it('encodes any names and arguments', () => {
    const url = new URL(
      execUrl('https://h', 'a/b', { podName: '../x', containerName: 'c&d', command: ['a b', '&x=1', 'ü\n'] }),
    );
    expect(url.pathname).to.equal('/api/v1/namespaces/a%2Fb/pods/..%2Fx/exec');
    expect(url.searchParams.getAll('command')).to.deep.equal(['a b', '&x=1', 'ü\n']);
    expect(url.searchParams.get('container')).to.equal('c&d');
  });
});
