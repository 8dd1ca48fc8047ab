import { expect } from 'chai';

import { CredentialsUnavailableError } from '../../../src/errors/cluster.ts';
import { readExecCredential } from '../../../src/kubernetes/access/exec-credential.ts';

const apiVersion = 'client.authentication.k8s.io/v1';
const plugin = {
  command: 'aws',
  args: [],
  environment: {},
  apiVersion,
  provideClusterInfo: false,
  installHint: undefined,
};
const answer = (status: object): string => JSON.stringify({ kind: 'ExecCredential', apiVersion, status });

describe('readExecCredential', () => {
  it('returns a token with its expiry', () => {
    const stdout = answer({ token: 't', expirationTimestamp: '2030-01-01T00:00:00Z' });
    const expiresAt = Date.UTC(2030, 0, 1);
    expect(readExecCredential(plugin, { stdout, stderr: '', status: 0 })).to.deep.equal({
      token: 't',
      certificate: undefined,
      key: undefined,
      expiresAt,
    });
  });

  it('throws if the token is not valid in a header', () => {
    for (const token of ['a\r\nX: y', 'a b'])
      expect(() => readExecCredential(plugin, { stdout: answer({ token }), stderr: '', status: 0 })).to.throw(
        CredentialsUnavailableError,
        'spaces',
      );
  });

  for (const [stderr, kept] of [
    ['error: token=abc123', 'token='],
    ['"token": "abc123"', '"token":'],
    ['Authorization: Bearer abc123', 'Authorization:'],
    ['sent bearer abc123', 'sent bearer'],
    ['AWS_SECRET_ACCESS_KEY: 0123456789abcdef0123456789abcdef01234567', 'AWS_SECRET_ACCESS_KEY:'],
    ['k8s-aws-v1.aHR0cHM6Ly9zdHMuYW1hem9uYXdzLmNvbS8_QWN0aW9uPUdldENhbGxlcklkZW50aXR5', ''],
    ['-----BEGIN PRIVATE KEY-----\nabc123\n-----END PRIVATE KEY-----', ''],
  ] as const) {
    it(`removes credentials from the stderr ${JSON.stringify(stderr.slice(0, 40))}`, () => {
      let error: unknown;
      try {
        readExecCredential(plugin, { stdout: '', stderr: `the session is over\n${stderr}`, status: 1 });
      } catch (thrown) {
        error = thrown;
      }
      expect(error).to.be.instanceOf(CredentialsUnavailableError);
      const { message, stderr: reported } = error as CredentialsUnavailableError;
      for (const text of [message, reported]) {
        expect(text).to.contain('the session is over').and.to.contain(kept);
        for (const secret of ['abc123', '0123456789abcdef', 'aHR0cHM6']) expect(text).to.not.contain(secret);
      }
    });
  }

  it('keeps other text of stderr', () => {
    const stderr =
      'exec: "/home/me/.local/google-cloud-sdk/bin/gke-gcloud-auth-plugin": token expired for arn:aws:iam::123456789012:role/builder';
    expect(() => readExecCredential(plugin, { stdout: '', stderr, status: 1 })).to.throw(
      CredentialsUnavailableError,
      stderr,
    );
  });
});
