import { expect } from 'chai';
import { parse } from 'yaml';

import { configSchema } from '../../../../src/service/config/config.ts';
import { printableOrigins, printableTree, printYaml } from '../../../../src/service/config/print-config.ts';
import { schemaKeys } from '../../../../src/service/config/schema-keys.ts';
import { valueAt } from '../../../../src/service/config/value-tree.ts';
import { ConfigFolder } from '../../../support/service/config-folder.ts';

describe('the printed configuration', () => {
  let folder: ConfigFolder;

  before(async () => {
    folder = await ConfigFolder.create();
  });

  after(async () => {
    await folder.remove();
  });

  const text = 'worker:\n  name: ci\npods:\n  nodeSelector: {pool: ci}\n';
  const env = { KW_DATABASE_URL: 'postgres://u:planted@h/d', KW_LOGGING_LEVEL: 'warn' };

  it('is YAML that has the values of all keys, with secrets masked', async () => {
    const loaded = await folder.load(text, { env });
    const printed = printYaml(loaded, { showOrigin: false });
    expect(printed).to.not.contain('planted');
    const tree: unknown = parse(printed);
    expect(tree).to.deep.equal(printableTree(loaded));
    for (const { path, secret } of schemaKeys)
      expect(valueAt(tree, path), path).to.deep.equal(secret ? '***' : valueAt(loaded.config, path));
  });

  it('has the source of each value on request', async () => {
    const printed = printYaml(await folder.load(text, { env, flags: { 'shutdown.graceMs': '5' } }), {
      showOrigin: true,
    });
    for (const line of [
      `  name: ci # ${folder.path}/config.yaml:2:9`,
      '  url: "***" # variable KW_DATABASE_URL',
      '  level: warn # variable KW_LOGGING_LEVEL',
      '  format: json # default',
      '  graceMs: 5 # flag --shutdown-grace-ms',
      `  # ${folder.path}/config.yaml:4:17\n  nodeSelector:\n    pool: ci`,
    ])
      expect(printed).to.contain(`${line}\n`);
    expect(configSchema.safeParse(parse(printed.replace('"***"', 'postgres://h'))).success).to.equal(true);
  });

  it('has an origin for each value', async () => {
    const origins = printableOrigins(await folder.load(text, { env }));
    expect(origins['worker.name']).to.include({ kind: 'file', line: 2, column: 9 });
    expect(origins['metrics.port']).to.deep.equal({ kind: 'default' });
    expect(origins).to.not.have.property('worker.namespace');
  });
});
