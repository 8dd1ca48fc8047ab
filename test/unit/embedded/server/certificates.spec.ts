import { createPrivateKey, X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import { createCertificates } from '../../../../src/embedded/server/certificates.ts';

describe('createCertificates', () => {
  const now = new Date('2026-05-06T07:08:09Z');
  const set = createCertificates(now);
  const authority = new X509Certificate(set.authority);
  const server = new X509Certificate(set.server.certificate);
  const client = new X509Certificate(set.client.certificate);

  it('creates a self-signed authority that has signed both certificates', () => {
    expect(authority.ca).to.equal(true);
    for (const certificate of [authority, server, client]) {
      expect(certificate.verify(authority.publicKey)).to.equal(true);
      expect(certificate.checkIssued(authority)).to.equal(true);
    }
  });

  it('names 127.0.0.1 and localhost in the server certificate', () => {
    expect(server.checkIP('127.0.0.1')).to.equal('127.0.0.1');
    expect(server.checkHost('localhost')).to.equal('localhost');
    expect(server.ca).to.equal(false);
    expect(server.keyUsage).to.deep.equal(['1.3.6.1.5.5.7.3.1']);
  });

  it('creates a client certificate for the administrator', () => {
    expect(client.subject).to.equal('O=system:masters\nCN=kubernetes-admin');
    expect(client.keyUsage).to.deep.equal(['1.3.6.1.5.5.7.3.2']);
  });

  it('is valid from a day before to ten years after', () => {
    expect(new Date(server.validFrom).toISOString()).to.equal('2026-05-05T07:08:09.000Z');
    expect(new Date(server.validTo).getUTCFullYear()).to.equal(2036);
  });

  it('encodes years from 2050 on as the standard requires', () => {
    const late = new X509Certificate(createCertificates(new Date('2045-01-01T00:00:00Z')).authority);
    expect(new Date(late.validTo).getUTCFullYear()).to.equal(2054);
  });

  it('returns each certificate with its own key', () => {
    expect(server.checkPrivateKey(createPrivateKey(set.server.privateKey))).to.equal(true);
    expect(client.checkPrivateKey(createPrivateKey(set.server.privateKey))).to.equal(false);
  });
});
