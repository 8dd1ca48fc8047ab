import { expect } from 'chai';
import pg from 'pg';

import { checkWorkerOptions, type DatabaseUrl } from '../../../../src/index.ts';
import { keyOfField } from '../../../../src/service/config/checked-by-library.ts';
import type { ServiceConfig } from '../../../../src/service/config/config.ts';
import { ConfigError } from '../../../../src/service/config/config-error.ts';
import type { LoadedConfig } from '../../../../src/service/config/load-config.ts';
import { checkWorkerConfig, workerOptionsOf } from '../../../../src/service/config/worker-options.ts';
import { rejection } from '../../../support/rejection.ts';
import { ConfigFolder } from '../../../support/service/config-folder.ts';

describe('workerOptionsOf', () => {
  let folder: ConfigFolder;

  before(async () => {
    folder = await ConfigFolder.create();
  });

  after(async () => {
    await folder.remove();
  });

  const database = 'database: {url: "postgres://u@h:1/d"}';

  async function load(text: string): Promise<LoadedConfig> {
    return await folder.load(text, { env: { KW_WORKER_NAME: 'ci' } });
  }

  async function configOf(text: string): Promise<ServiceConfig> {
    return (await load(text)).config;
  }

  async function problem(config: Promise<ServiceConfig>): Promise<string> {
    const error = await rejection(workerOptionsOf(await config));
    expect(error).to.be.instanceOf(ConfigError);
    return error.message;
  }

  it('returns options that the library accepts, with values of each section', async () => {
    const config = await configOf(
      [
        database,
        'worker: {kubeconfig: /k, privilegedTeams: [a]}',
        'limits: {leaseMs: 1}',
        'transfers: {maxConcurrent: 2}',
        'artifacts: {timeToLiveMs: 3}',
        'caches: {timeToLiveMs: 4, maxCount: 5}',
        'retention: {maxContainers: 6, maxAgeMs: 7, finishedOwnerTtlMs: 8}',
        'stores: {pvc: {claim: c, pod: {nodeSelector: {a: b}}}, saveOutputs: success}',
        'pods: {tolerations: [{key: a, operator: Exists}]}',
        'images: {policy: {defaultImage: busybox}}',
      ].join('\n'),
    );
    const options = await workerOptionsOf(config);
    checkWorkerOptions(options);
    expect(options).to.deep.include({
      name: 'ci',
      kubeConfig: '/k',
      privilegedTeams: ['a'],
      database: 'postgres://u@h:1/d',
      migrate: true,
      leaseMs: 1,
      artifactTimeToLiveMs: 3,
      cacheTimeToLiveMs: 4,
      caches: { maxCount: 5 },
      retention: { maxContainers: 6, maxAgeMs: 7 },
      finishedOwnerTtlMs: 8,
    });
    expect(options.transfers?.maxConcurrent).to.equal(2);
    expect(options.pods?.tolerations).to.deep.equal([{ key: 'a', operator: 'Exists' }]);
    expect(options.images?.policy).to.deep.equal({ defaultImage: 'busybox' });
    expect(options.stores).to.deep.include({
      saveOutputs: 'success',
      pvc: { claim: 'c', pod: { nodeSelector: { a: 'b' } } },
    });
  });

  it('has the periods of the loops only on request', async () => {
    const config = await configOf(database);
    expect(await workerOptionsOf(config)).to.not.have.any.keys('reapEveryMs', 'heartbeatEveryMs');
    expect(await workerOptionsOf(config, { loops: true })).to.include({
      reapEveryMs: 30_000,
      heartbeatEveryMs: 15_000,
    });
  });

  it('takes the database and what is not configuration from the caller', async () => {
    const { signal } = new AbortController();
    const pool = { connect: () => Promise.reject(new Error('not called')) };
    const options = await workerOptionsOf(await configOf(''), { database: pool, signal, migrate: false });
    expect(options).to.include({ database: pool, signal, migrate: false });
  });

  context('when the database is configured', () => {
    it('reads the URL from a file, without the end of its last line', async () => {
      const urlFile = await folder.write('url', 'postgres://u:p@h/d\n');
      const { database: url } = await workerOptionsOf(await configOf(`database: {urlFile: ${urlFile}}`));
      expect(await (url as DatabaseUrl)()).to.equal('postgres://u:p@h/d');
    });

    it('reads its files again at each call, and reports what they have', async () => {
      const [urlFile, passwordFile] = [
        await folder.write('later-url', 'postgres://u@h/d'),
        await folder.write('later-password', 'one'),
      ];
      const secrets: string[] = [];
      const config = await configOf(`database: {urlFile: ${urlFile}, passwordFile: ${passwordFile}}`);
      const { database: url } = await workerOptionsOf(config, { onSecret: (secret) => secrets.push(secret) });
      await folder.write('later-url', 'postgres://v@h/d');
      await folder.write('later-password', 'two');
      expect(await (url as DatabaseUrl)()).to.equal('postgres://v:two@h/d');
      expect(secrets).to.include.members(['two', 'postgres://v:two@h/d']);
    });

    for (const url of [
      'postgres://u@h:1/d',
      'postgresql://u@h/d?sslmode=disable',
      'postgres://u@/d?host=/run/pg',
      'postgresql:///d?user=u&host=/run/pg',
    ])
      it(`adds the password of a file to ${url} as pg reads it`, async () => {
        const passwordFile = await folder.write('password', 'a/?#%&= @:\n');
        const config = await configOf(`database: {url: "${url}", passwordFile: ${passwordFile}}`);
        const read = (await workerOptionsOf(config)).database as DatabaseUrl;
        const client = new pg.Client(await read());
        expect(client.password).to.equal('a/?#%&= @:');
        expect([client.user, client.database]).to.deep.equal(['u', 'd']);
      });

    it('rejects if the URL of the file has a password too', async () => {
      const [urlFile, passwordFile] = [
        await folder.write('url2', 'postgres://u:planted@h/d'),
        await folder.write('password2', 'planted'),
      ];
      expect(await problem(configOf(`database: {urlFile: ${urlFile}, passwordFile: ${passwordFile}}`))).to.equal(
        'database.passwordFile: cannot be combined with a password in the URL of database.urlFile',
      );
    });

    it('rejects without a database', async () => {
      const expected =
        'database.url: is missing: set database.url or database.urlFile in the file, or the variable KW_DATABASE_URL';
      expect(await problem(configOf(''))).to.equal(expected);
      expect((await rejection(checkWorkerConfig(await load('')))).message).to.equal(expected);
    });
  });

  context('when a file with a secret cannot be used', () => {
    const s3 = (files: string): string => `${database}\nstores: {s3: {bucket: ci-archives, ${files}}}`;

    it('rejects with the key and the path', async () => {
      const empty = await folder.write('empty', '\n');
      const id = await folder.write('id', 'planted');
      const large = await folder.write('large', 'x'.repeat(70_000));
      const rows: readonly (readonly [string, string])[] = [
        ['database: {urlFile: /none}', 'database.urlFile: /none cannot be read (ENOENT)'],
        [`database: {urlFile: ${empty}}`, `database.urlFile: ${empty} is empty`],
        [`database: {urlFile: ${folder.path}}`, `database.urlFile: ${folder.path} cannot be read (EISDIR)`],
        [`database: {urlFile: ${large}}`, `database.urlFile: ${large} has 70000 bytes; the maximum is 65536`],
        [s3('caFile: /none'), 'stores.s3.caFile: /none cannot be read (ENOENT)'],
        [
          s3(`accessKeyIdFile: ${id}, secretAccessKeyFile: ${empty}`),
          `stores.s3.secretAccessKeyFile: ${empty} is empty`,
        ],
        [
          s3(`accessKeyIdFile: ${id}, secretAccessKeyFile: ${id}, sessionTokenFile: /none`),
          'stores.s3.sessionTokenFile: /none cannot be read (ENOENT)',
        ],
      ];
      for (const [text, expected] of rows) expect(await problem(configOf(text))).to.equal(expected);
    });

    it('is no problem of a check without secrets', async () => {
      await checkWorkerConfig(await load(s3('accessKeyIdFile: /none, secretAccessKeyFile: /none')));
    });
  });

  it('reads the keys of S3 again at each call of the provider', async () => {
    const [id, secret] = [await folder.write('s3-id', 'one\n'), await folder.write('s3-secret', 'two\n')];
    const files = `accessKeyIdFile: ${id}, secretAccessKeyFile: ${secret}`;
    const { stores } = await workerOptionsOf(
      await configOf(`${database}\nstores: {s3: {bucket: ci-archives, ${files}}}`),
    );
    const { credentials, ...rest } = stores!.s3!;
    expect(rest).to.deep.equal({ bucket: 'ci-archives' });
    const provider = credentials as () => Promise<unknown>;
    expect(await provider()).to.deep.equal({ accessKeyId: 'one', secretAccessKey: 'two' });
    await folder.write('s3-id', 'three\n');
    expect(await provider()).to.deep.equal({ accessKeyId: 'three', secretAccessKey: 'two' });
  });

  it('reports each secret to the caller', async () => {
    const [key, password] = [await folder.write('s3-key', 'key'), await folder.write('pw', 'pass')];
    const s3 = `stores: {s3: {bucket: ci-archives, accessKeyIdFile: ${key}, secretAccessKeyFile: ${key}}}`;
    const secrets = new Set<string>();
    await workerOptionsOf(await configOf(`database: {url: "postgres://u@h/d", passwordFile: ${password}}\n${s3}`), {
      onSecret: (secret) => secrets.add(secret),
    });
    expect([...secrets]).to.deep.equal(['pass', 'postgres://u:pass@h/d', 'key']);
  });

  it('names the key of an option that the library refuses', async () => {
    const rows: readonly (readonly [string, RegExp])[] = [
      ['worker: {labelPrefix: "-"}', /^worker\.labelPrefix: /],
      ['worker: {volumeImage: "A B"}', /^worker\.volumeImage: /],
      ['images: {pinDigests: true}', /^images\.pinDigests: requires images\.preflight$/],
      ['images: {policy: {rules: [{name: a, allow: ["x y"]}]}}', /^images\.policy\.rules\[0\]/],
      ['pods: {affinity: {nodeAffinit: {}}}', /^pods\.affinity\.nodeAffinit: /],
      ['pods: {overlay: {spec: {hostNetwork: true}}}', /^pods\.overlay\.spec\.hostNetwork: /],
      ['stores: {pvc: {claim: c, pod: {x: 1}}}', /^stores\.pvc\.pod\.x: /],
      ['stores: {outputs: s3}', /^stores\.outputs: /],
    ];
    for (const [text, expected] of rows)
      expect(await problem(configOf(`${database}\n${text}`)), text).to.match(expected);
  });
});

describe('keyOfField', () => {
  for (const [field, key] of [
    ['name', 'worker.name'],
    ['kubeConfig', 'worker.kubeconfig'],
    ['startTimeoutMs', 'limits.startTimeoutMs'],
    ['reapEveryMs', 'reaper.everyMs'],
    ['images.policy.rules[2].allow[1]', 'images.policy.rules[2].allow[1]'],
    ['stores.s3.ca', 'stores.s3.caFile'],
    ['stores.s3.credentials', 'stores.s3.accessKeyIdFile'],
    ['options', 'options'],
  ] as const)
    it(`returns ${key} for ${field}`, () => {
      expect(keyOfField(field)).to.equal(key);
    });
});
