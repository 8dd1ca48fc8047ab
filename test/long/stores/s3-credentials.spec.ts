import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

import { expect } from 'chai';

import { systemClock } from '../../../src/internal/system-clock.ts';
import { PartBuffers } from '../../../src/stores/s3/part-buffers.ts';
import { openS3Store } from '../../../src/stores/s3/s3-store.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { contentOf, inChunks, seededBytes } from '../../support/stores/archive-bytes.ts';
import { hasS3Server, type ServerKey, Versitygw } from '../../support/stores/versitygw.ts';

const partBytes = 5 * 1_048_576;
const [first, second]: readonly [ServerKey, ServerKey] = [
  { accessKeyId: 'AKIDFIRST', secretAccessKey: 'the-first-secret' },
  { accessKeyId: 'AKIDSECOND', secretAccessKey: 'the-second-secret' },
];

/** A source of the SDK's chain of credentials. */
interface Source {
  /** The variables of the environment that refer to it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Replaces the credentials that it has. */
  set(key: ServerKey): Promise<void>;
}

describe('an S3 store with the credentials of the environment', () => {
  const environment = { ...process.env };
  let folder: string;
  let issuer: Server;
  /** Answers the requests to the issuer. */
  let issue: (request: IncomingMessage, body: string) => string;

  before(async function () {
    if (!(await hasS3Server())) this.skip();
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kw-credentials-'));
    issuer = createServer((request, response) => {
      void text(request).then((body) => response.end(issue(request, body)));
    }).listen(0, '127.0.0.1');
    await once(issuer, 'listening');
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
    process.env['AWS_EC2_METADATA_DISABLED'] = 'true';
    process.env['AWS_CONFIG_FILE'] = join(folder, 'config');
    process.env['AWS_SHARED_CREDENTIALS_FILE'] = join(folder, 'no-credentials');
  });

  afterEach(async () => {
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
    Object.assign(process.env, environment);
    issuer.closeAllConnections();
    issuer.close();
    await rm(folder, { recursive: true });
  });

  const issuerUrl = (): string => `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
  const expiration = (): string => new Date(Date.now() + 3_600_000).toISOString();

  const sharedFile = async (): Promise<Source> => {
    const path = join(folder, 'credentials');
    return {
      environment: { AWS_SHARED_CREDENTIALS_FILE: path },
      set: ({ accessKeyId, secretAccessKey }) =>
        writeFile(path, `[default]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n`),
    };
  };

  const containerEndpoint = async (): Promise<Source> => {
    const path = join(folder, 'token');
    await writeFile(path, 'the-token-of-the-pod');
    return {
      environment: {
        AWS_CONTAINER_CREDENTIALS_FULL_URI: `${issuerUrl()}/v1/credentials`,
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: path,
      },
      set: async ({ accessKeyId, secretAccessKey }) => {
        issue = ({ headers }) => {
          expect(headers.authorization).to.equal('the-token-of-the-pod');
          const [AccessKeyId, SecretAccessKey, Token] = [accessKeyId, secretAccessKey, ''];
          return JSON.stringify({ AccessKeyId, SecretAccessKey, Token, Expiration: expiration() });
        };
      },
    };
  };

  const webIdentity = async (): Promise<Source> => {
    const path = join(folder, 'web-token');
    return {
      environment: {
        AWS_WEB_IDENTITY_TOKEN_FILE: path,
        AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/artifacts',
        AWS_ENDPOINT_URL_STS: issuerUrl(),
        AWS_REGION: 'us-east-1',
      },
      set: async ({ accessKeyId, secretAccessKey }) => {
        // The kubelet replaces the token as well.
        const token = `token-for-${accessKeyId}`;
        await writeFile(path, token);
        issue = (_request, body) => {
          expect(new URLSearchParams(body).get('WebIdentityToken')).to.equal(token);
          const credentials = `<AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey>`;
          return `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>${credentials}<SessionToken></SessionToken><Expiration>${expiration()}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;
        };
      },
    };
  };

  for (const { name, open } of [
    { name: 'the shared credentials file', open: sharedFile },
    { name: 'the endpoint of containers, as of EKS Pod Identity', open: containerEndpoint },
    { name: 'a web identity token, as of IRSA', open: webIdentity },
  ])
    it(`continues an upload when they were rotated in ${name}`, async () => {
      const source = await open();
      await source.set(first);
      Object.assign(process.env, source.environment);
      await using server = await Versitygw.start({ key: first });
      const { credentials: _, ...options } = server.options({ partSizeBytes: partBytes });
      const buffers = new PartBuffers();
      const store = openS3Store(options, { clock: systemClock(), logger: silentLogger, buffers });
      const bytes = seededBytes(2 * partBytes + 10);
      const rotated = async function* (): AsyncGenerator<Uint8Array> {
        yield bytes.subarray(0, partBytes + 5);
        // The restart interrupts no request: the first part has arrived.
        while (buffers.held > 1) await delay(5);
        await source.set(second);
        await server.restart(second);
        yield bytes.subarray(partBytes + 5);
      };
      await store.write('i/00/before', inChunks(seededBytes(10)));
      await store.write('i/00/rotated', rotated());
      expect((await contentOf(await store.read('i/00/rotated'))).equals(bytes)).to.equal(true);
      await server.restart(first);
      expect(await rejection(store.probe())).to.have.property('code', 'KW_ERR_STORE_DENIED');
      await store.close();
    });
});
