import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';

import { ConfigError } from '../../../../src/service/config/config-error.ts';
import { type ConfigSources, loadConfig } from '../../../../src/service/config/load-config.ts';
import { schemaKeys } from '../../../../src/service/config/schema-keys.ts';
import { rejection } from '../../../support/rejection.ts';
import { ConfigFolder } from '../../../support/service/config-folder.ts';

const planted = 'planted-secret';

describe('loadConfig', () => {
  let folder: ConfigFolder;

  before(async () => {
    folder = await ConfigFolder.create();
  });

  after(async () => {
    await folder.remove();
  });

  /** Returns the lines of the error, without the folder of the file. */
  async function problems(text: string, sources: Partial<ConfigSources> = {}): Promise<readonly string[]> {
    const error = await rejection(folder.load(text, sources));
    expect(error).to.be.instanceOf(ConfigError);
    return error.message.replaceAll(`${folder.path}/`, '').split('\n');
  }

  const env = { KW_WORKER_NAME: 'ci' };

  context('when sources are invalid', () => {
    it('rejects with all problems at once, in the order of their positions and sources', async () => {
      const text = [
        'status:',
        '  port: 70000',
        '  hots: 0.0.0.0',
        'logging: {level: loud}',
        'store: {}',
        'images:',
        '  policy:',
        '    rules:',
        '      - allow: [a, 1]',
        'limits: 5',
        'worker:',
        '  name:',
      ].join('\n');
      const variables = { KW_LOGGING_LEVL: 'x', KW_METRICS_PORT: 'many', KW_PODS_NODE_SELECTOR: '{"a":1}' };
      expect(
        await problems(text, { env: variables, flags: { 'shutdown.graceMs': '0', 'worker.nam': 'x' } }),
      ).to.deep.equal([
        'config.yaml:2:9 status.port: is not an integer from 0 to 65535',
        'config.yaml:3:3 status.hots: unknown key; did you mean "host"?',
        'config.yaml:4:18 logging.level: is not one of "debug", "info", "warn", "error"',
        'config.yaml:5:1 store: unknown key; did you mean "stores"?',
        'config.yaml:9:9 images.policy.rules[0].name: is missing',
        'config.yaml:9:20 images.policy.rules[0].allow[1]: is not a text',
        'config.yaml:10:9 limits: is not an object',
        'config.yaml:12:8 worker.name: has no value: remove it, or give it a text of 1 to 253 characters',
        'variable KW_LOGGING_LEVL: no key of the configuration has this variable; did you mean KW_LOGGING_LEVEL?',
        'variable KW_METRICS_PORT: metrics.port: is not an integer from 0 to 65535',
        'variable KW_PODS_NODE_SELECTOR: pods.nodeSelector.a: is not a text',
        'flag --shutdown-grace-ms: shutdown.graceMs: is not an integer from 1 to 2147483647',
        'flag worker.nam: worker.nam: unknown key; did you mean "worker.name"?',
      ]);
    });

    it('reports a value of the file also where a variable replaces it', async () => {
      expect(await problems('worker: {name: 5}', { env })).to.deep.equal([
        'config.yaml:1:16 worker.name: is not a text of 1 to 253 characters',
      ]);
    });

    it('names the source and the type of each wrong variable and flag, and never the value', async () => {
      for (const { path, env: variable, flag, type } of schemaKeys) {
        const wrong = type === 'text' || type === 'text or list' ? '' : planted;
        const { message } = await rejection(loadConfig({ env: { ...env, [variable]: wrong } }));
        expect(message).to.match(new RegExp(`^variable ${variable}: ${path.replaceAll('.', '\\.')}: is not .`));
        const fromFlag = await rejection(loadConfig({ env, flags: { [path]: wrong } }));
        expect(fromFlag.message).to.contain(`flag ${flag}: ${path}: is not `);
        expect(message + fromFlag.message).to.not.contain(planted);
      }
    });

    it('never prints a value of the file', async () => {
      for (const text of [
        `status: {port: ${planted}}`,
        `worker: ${planted}`,
        `database: {url: '${planted}'}`,
        `images: {policy: {rules: ${planted}}}`,
        planted,
        `- ${planted}`,
        `worker: {name: *${planted}}`,
        `worker: !${planted} x`,
        `worker: "${planted}`,
        `a: b: ${planted}`,
      ])
        expect((await problems(text)).join('\n'), text).to.not.contain(planted);
    });

    it('shortens and escapes a name of the file', async () => {
      const [line = ''] = await problems(`"a\\nb${'c'.repeat(500)}": 1`);
      expect(line)
        .to.match(/^config\.yaml:1:1 "a\\nbc+": unknown key$/)
        .and.to.have.length.below(135);
    });
  });

  context('when the file is not YAML with sections', () => {
    for (const [text, expected] of [
      ['worker:\n  name: a\n  name: b\n', 'config.yaml:3:3 the key occurs twice'],
      ['worker:\n\tname: a\n', 'config.yaml:2:1 a tab is not an indentation'],
      ['worker: {name: a\n', 'config.yaml:2:1 the indentation is wrong, or a bracket is not closed'],
      ['a: 1\n---\nb: 2\n', 'config.yaml:2:1 the file has more than one YAML document'],
      ['- worker\n', 'config.yaml: is not an object with sections'],
      ['worker: *none\n', 'config.yaml: has an alias that cannot be resolved'],
    ] as const)
      it(`rejects ${JSON.stringify(text)}`, async () => {
        expect((await problems(text, { env }))[0]).to.equal(expected);
      });

    it('rejects aliases that multiply', async () => {
      const text = [
        'a0: &a0 [x, x]',
        ...Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`),
      ];
      expect(await problems(text.join('\n'))).to.deep.equal(['config.yaml: has an alias that cannot be resolved']);
    });

    it('reports the problems of the other sources too', async () => {
      expect(await problems('- x', { env: { KW_STATUS_PORT: 'x' } })).to.have.length(2);
    });
  });

  context('when the file cannot be read', () => {
    it('rejects with the path if it is given and does not exist', async () => {
      const file = join(folder.path, 'missing.yaml');
      const expected = `${file}: cannot be read (ENOENT)`;
      expect((await rejection(loadConfig({ file, env }))).message).to.equal(expected);
      expect((await rejection(loadConfig({ env: { ...env, KW_CONFIG: file } }))).message).to.equal(expected);
    });

    it('rejects if it is a folder', async () => {
      const file = join(folder.path, 'folder');
      await mkdir(file);
      expect((await rejection(loadConfig({ file, env }))).message).to.equal(`${file}: is not a regular file`);
    });

    it('rejects if it is larger than a ConfigMap, without parsing it', async () => {
      const [line] = await problems(`worker: {name: ci} #${' '.repeat(10 * 1024 * 1024)}`);
      expect(line).to.equal('config.yaml: has 10485780 bytes; the maximum is 1048576');
    });

    it('rejects if its path is empty', async () => {
      const { message } = await rejection(loadConfig({ env: { ...env, KW_CONFIG: '' } }));
      expect(message).to.equal('configuration: the path of the file is empty (--config, KW_CONFIG)');
    });
  });

  it('reads the file of the flag, otherwise that of the variable, otherwise the default if it exists', async () => {
    const [one, two, three] = await Promise.all(
      ['one', 'two', 'three'].map((name) => folder.write(`${name}.yaml`, `worker: {name: ${name}}`)),
    );
    const nameOf = async (sources: ConfigSources): Promise<string> => (await loadConfig(sources)).config.worker.name;
    expect(await nameOf({ file: one, env: { KW_CONFIG: two }, defaultFile: three })).to.equal('one');
    expect(await nameOf({ env: { KW_CONFIG: two }, defaultFile: three })).to.equal('two');
    expect(await nameOf({ env: {}, defaultFile: three })).to.equal('three');
    const { file, config } = await loadConfig({ env, defaultFile: `${three ?? ''}.missing` });
    expect([file, config.worker.name]).to.deep.equal([undefined, 'ci']);
  });

  it('accepts an empty file and JSON', async () => {
    expect((await folder.load('# nothing\n', { env })).config.worker.name).to.equal('ci');
    expect((await folder.load('{"worker": {"name": "json"}}')).config.worker.name).to.equal('json');
  });

  it('reads a section from several sources', async () => {
    const { config } = await folder.load('stores: {s3: {prefix: a/}}', {
      env: { ...env, KW_STORES_S3_BUCKET: 'b', KW_STORES_S3_CONCURRENCY: '3' },
      flags: { 'stores.s3.region': 'r' },
    });
    expect(config.stores.s3).to.deep.equal({ prefix: 'a/', bucket: 'b', concurrency: 3, region: 'r' });
  });

  it('replaces an object and a list as a whole', async () => {
    const { config } = await folder.load('pods: {nodeSelector: {a: "1"}, dropCapabilities: [A]}', {
      env: { ...env, KW_PODS_NODE_SELECTOR: '{"b":"2"}', KW_PODS_DROP_CAPABILITIES: '["B"]' },
    });
    expect(config.pods).to.deep.include({ nodeSelector: { b: '2' }, dropCapabilities: ['B'] });
  });

  it('reads teams as a word and as a list', async () => {
    const teams = async (text: string): Promise<unknown> =>
      (await loadConfig({ env: { ...env, KW_WORKER_PRIVILEGED_TEAMS: text } })).config.worker.privilegedTeams;
    expect(await teams('all')).to.equal('all');
    expect(await teams('["a"]')).to.deep.equal(['a']);
  });

  it('requires the keys of the sections that are used, at the position of the section', async () => {
    expect(await problems('logging: {}\nstores:\n  pvc:\n    name: x\n')).to.deep.equal([
      'config.yaml:3:3 stores.pvc.claim: is missing: set it in the file, by KW_STORES_PVC_CLAIM or by --stores-pvc-claim',
      'worker.name: is missing: set it in the file, by KW_WORKER_NAME or by --worker-name',
    ]);
  });

  it('ignores variables without the prefix', async () => {
    const { origins } = await loadConfig({ env: { ...env, PATH: '/', kw_status_port: 'x' } });
    expect(Object.keys(origins)).to.deep.equal(['worker.name']);
  });
});
