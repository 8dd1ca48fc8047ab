import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import {
  bitString,
  boolean,
  explicit,
  implicit,
  integer,
  objectId,
  octetString,
  sequence,
  set,
  time,
  utf8String,
} from './der.ts';

const dayMs = 86_400_000;
const yearMs = 365 * dayMs;
const ecdsaWithSha256 = '1.2.840.10045.4.3.2';
const commonNameId = '2.5.4.3';
const organizationId = '2.5.4.10';
const usageIds = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;

/** A certificate and its private key, both in PEM. */
export interface Identity {
  readonly certificate: string;
  readonly privateKey: string;
}

/** The certificates of the server and its kubeconfig. */
export interface CertificateSet {
  readonly authority: string;
  readonly server: Identity;
  readonly client: Identity;
}

interface Subject {
  readonly commonName: string;
  readonly organization?: string;
}

interface Issuer {
  readonly subject: Subject;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/**
 * Creates a certificate authority in memory, and with it a server certificate for `127.0.0.1` and
 * `localhost` and a client certificate for the administrator. All use ECDSA P-256 and are valid
 * from a day before `now` for ten years.
 */
export function createCertificates(now: Date): CertificateSet {
  const authority: Issuer = {
    subject: { commonName: 'kubernetes-worker-embedded-ca' },
    ...generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  };
  const caExtensions = [
    extension('2.5.29.19', sequence(boolean(true)), true),
    extension('2.5.29.15', bitString(Buffer.from([0x06]), 1), true),
  ];
  const sign = (subject: Subject, usage: keyof typeof usageIds) => leaf(authority, subject, usage, now);
  return {
    authority: certificate({
      subject: authority.subject,
      publicKey: authority.publicKey,
      issuer: authority,
      extensions: caExtensions,
      now,
    }),
    server: sign({ commonName: 'kube-apiserver' }, 'server'),
    client: sign({ commonName: 'kubernetes-admin', organization: 'system:masters' }, 'client'),
  };
}

function leaf(issuer: Issuer, subject: Subject, usage: keyof typeof usageIds, now: Date): Identity {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const names = sequence(implicit(2, Buffer.from('localhost')), implicit(7, Buffer.from([127, 0, 0, 1])));
  const extensions = [
    extension('2.5.29.15', bitString(Buffer.from([0x80]), 7), true),
    extension('2.5.29.37', sequence(objectId(usageIds[usage])), false),
    ...(usage === 'server' ? [extension('2.5.29.17', names, false)] : []),
  ];
  return {
    certificate: certificate({ subject, publicKey, issuer, extensions, now }),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

interface CertificateRequest {
  readonly subject: Subject;
  readonly publicKey: KeyObject;
  readonly issuer: Issuer;
  readonly extensions: readonly Buffer[];
  readonly now: Date;
}

function certificate(request: CertificateRequest): string {
  const { subject, publicKey, issuer, now } = request;
  const algorithm = sequence(objectId(ecdsaWithSha256));
  const extensions = [
    ...request.extensions,
    extension('2.5.29.14', octetString(keyId(publicKey)), false),
    extension('2.5.29.35', sequence(implicit(0, keyId(issuer.publicKey))), false),
  ];
  const serial = randomBytes(16);
  serial.writeUInt8(serial.readUInt8(0) & 0x7f, 0);
  const body = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(serial),
    algorithm,
    distinguishedName(issuer.subject),
    sequence(time(new Date(now.getTime() - dayMs)), time(new Date(now.getTime() + 10 * yearMs))),
    distinguishedName(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...extensions)),
  );
  const signature = sign('sha256', body, issuer.privateKey);
  return pem(sequence(body, algorithm, bitString(signature)));
}

function distinguishedName(subject: Subject): Buffer {
  const attribute = (id: string, value: string) => set(sequence(objectId(id), utf8String(value)));
  const organization = subject.organization === undefined ? [] : [attribute(organizationId, subject.organization)];
  return sequence(...organization, attribute(commonNameId, subject.commonName));
}

function extension(id: string, value: Buffer, critical: boolean): Buffer {
  return sequence(objectId(id), ...(critical ? [boolean(true)] : []), octetString(value));
}

function keyId(publicKey: KeyObject): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
