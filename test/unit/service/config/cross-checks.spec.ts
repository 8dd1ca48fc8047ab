import { expect } from 'chai';

import { loadConfig } from '../../../../src/service/config/load-config.ts';
import { isLoopback } from '../../../../src/service/config/loopback.ts';
import { rejection } from '../../../support/rejection.ts';
import { ConfigFolder } from '../../../support/service/config-folder.ts';

describe('the checks between keys', () => {
  let folder: ConfigFolder;

  before(async () => {
    folder = await ConfigFolder.create();
  });

  after(async () => {
    await folder.remove();
  });

  const env = { KW_WORKER_NAME: 'ci' };

  for (const [text, expected] of [
    [
      'status: {host: 0.0.0.0}',
      '1:16 status.host: is not a loopback address: set status.auth, or status.allowUnauthenticated to accept every request',
    ],
    ['status: {auth: token}', '1:16 status.auth: is token, which requires status.tokenFile'],
    ['status: {tokenFile: /t}', '1:21 status.tokenFile: has no effect: status.auth is none'],
    ['status: {auth: tokenReview, tokenFile: /t}', '1:40 status.tokenFile: has no effect: status.auth is tokenReview'],
    ['metrics: {port: 9393}', '1:17 metrics.port: is the port of the status server (status.port)'],
    [
      'stores: {s3: {bucket: b, accessKeyIdFile: /a}}',
      '1:43 stores.s3.accessKeyIdFile: requires stores.s3.secretAccessKeyFile',
    ],
    [
      'stores: {s3: {bucket: b, secretAccessKeyFile: /a}}',
      '1:47 stores.s3.secretAccessKeyFile: requires stores.s3.accessKeyIdFile',
    ],
    [
      'stores: {s3: {bucket: b, sessionTokenFile: /a}}',
      '1:44 stores.s3.sessionTokenFile: requires stores.s3.accessKeyIdFile and stores.s3.secretAccessKeyFile',
    ],
    ['transfers: {firstRetryMs: 6000}', '1:27 transfers.firstRetryMs: is longer than transfers.longestRetryMs'],
    ['caches: {maxBytes: 5, maxKeyBytes: 6}', '1:36 caches.maxKeyBytes: is larger than caches.maxBytes'],
    ['telemetry: {traces: true}', '1:21 telemetry.traces: is true, which requires telemetry.otlp.endpoint'],
    [
      'telemetry: {otlp: {headersFile: /h}}',
      '1:33 telemetry.otlp.headersFile: has no effect without telemetry.otlp.endpoint',
    ],
    ['database: {url: "postgres://a", urlFile: /u}', '1:42 database.urlFile: cannot be combined with database.url'],
    [
      'database: {url: "postgres://a:planted@b"}',
      '1:17 database.url: has a password, which only database.passwordFile, database.urlFile or the variable KW_DATABASE_URL may hold',
    ],
    [
      'database: {url: "postgres://b/c?password=planted"}',
      '1:17 database.url: has a password, which only database.passwordFile, database.urlFile or the variable KW_DATABASE_URL may hold',
    ],
  ] as const)
    it(`refuse ${text}`, async () => {
      const { message } = await rejection(folder.load(text, { env }));
      expect(message.slice(folder.path.length)).to.equal(`/config.yaml:${expected}`);
    });

  for (const text of [
    'status: {host: 0.0.0.0, auth: tokenReview}',
    'status: {host: "::", auth: token, tokenFile: /t}',
    'status: {host: 0.0.0.0, allowUnauthenticated: true}',
    'status: {host: "::1"}',
    'status: {port: 0}\nmetrics: {port: 0}',
    'stores: {s3: {bucket: b, accessKeyIdFile: /a, secretAccessKeyFile: /b, sessionTokenFile: /c}}',
    'telemetry: {traces: false}',
    'database: {url: "postgres://a@b:5432/c", passwordFile: /p}',
  ])
    it(`accept ${text}`, async () => {
      await folder.load(text, { env });
    });

  it('refuse a password in the flag, and accept it in the variable', async () => {
    const url = 'postgres://a:planted@b/c';
    const { message } = await rejection(loadConfig({ env, flags: { 'database.url': url } }));
    expect(message).to.contain('flag --database-url: database.url: has a password').and.to.not.contain('planted');
    expect((await loadConfig({ env: { ...env, KW_DATABASE_URL: url } })).config.database.url).to.equal(url);
  });

  it('refuse two passwords', async () => {
    const variables = { ...env, KW_DATABASE_URL: 'postgres://a:planted@b', KW_DATABASE_PASSWORD_FILE: '/p' };
    expect((await rejection(loadConfig({ env: variables }))).message).to.equal(
      'variable KW_DATABASE_PASSWORD_FILE: database.passwordFile: cannot be combined with a password in database.url',
    );
  });
});

describe('isLoopback', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost', '0:0:0:0:0:0:0:1'])
    it(`is true for ${host}`, () => expect(isLoopback(host)).to.equal(true));
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'localhost.example', '127.0.0.1.example', '', '::ffff:10.0.0.1'])
    it(`is false for ${JSON.stringify(host)}`, () => expect(isLoopback(host)).to.equal(false));
});
