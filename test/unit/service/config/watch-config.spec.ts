import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';
import sinon from 'sinon';

import { FakeLogger } from '../../../../fakes/index.ts';
import { configSchema } from '../../../../src/service/config/config.ts';
import { type ConfigChange, changeOf } from '../../../../src/service/config/config-changes.ts';
import { loadConfig } from '../../../../src/service/config/load-config.ts';
import { type ConfigWatch, watchConfig } from '../../../../src/service/config/watch-config.ts';
import { ConfigFolder } from '../../../support/service/config-folder.ts';

const textOf = (level: string, port: number | string = 1): string =>
  `worker: {name: ci}\nlogging: {level: ${level}}\nstatus: {port: ${port}}\n`;

describe('changeOf', () => {
  it('applies live keys only, and names those that need a restart', () => {
    const current = configSchema.parse({ worker: { name: 'ci' } });
    const next = configSchema.parse({
      worker: { name: 'ci' },
      logging: { level: 'debug', format: 'text' },
      shutdown: { graceMs: 1 },
      stores: { s3: { bucket: 'b' } },
    });
    const { config, applied, needRestart } = changeOf(current, next);
    expect(applied).to.deep.equal(['logging.level', 'shutdown.graceMs']);
    expect(needRestart).to.deep.equal(['stores.s3.bucket', 'logging.format']);
    expect(config).to.deep.equal({
      ...current,
      logging: { level: 'debug', format: 'json' },
      shutdown: { graceMs: 1 },
    });
  });

  it('changes nothing between equal configurations', () => {
    const current = configSchema.parse({ pods: { nodeSelector: { a: 'b' } } });
    const next = configSchema.parse({ pods: { nodeSelector: { a: 'b' } } });
    expect(changeOf(current, next)).to.deep.equal({ config: current, applied: [], needRestart: [] });
  });
});

describe('watchConfig', () => {
  let folder: ConfigFolder;
  let logger: FakeLogger;
  let watch: ConfigWatch;
  let onChange: sinon.SinonStub<[ConfigChange], void>;
  let changed: Promise<ConfigChange>;

  beforeEach(async () => {
    folder = await ConfigFolder.create();
    logger = new FakeLogger();
    onChange = sinon.stub();
    changed = new Promise((resolve) => onChange.callsFake(resolve));
  });

  afterEach(async () => {
    await watch.close();
    await folder.remove();
  });

  async function begin(file: string): Promise<void> {
    const sources = { file, env: {} };
    watch = watchConfig({ sources, loaded: await loadConfig(sources), onChange, logger, quietMs: 1 });
  }

  async function beginWith(text: string): Promise<void> {
    await begin(await folder.write('config.yaml', text));
  }

  it('applies a live key when the file changes', async () => {
    await beginWith(textOf('info'));
    await folder.write('config.yaml', textOf('debug'));
    const { config, applied } = await changed;
    expect(applied).to.deep.equal(['logging.level']);
    expect(config.logging.level).to.equal('debug');
  });

  it('applies a live key when Kubernetes replaces the link of a mounted ConfigMap', async () => {
    for (const [version, level] of [
      ['..one', 'info'],
      ['..two', 'debug'],
    ] as const) {
      await mkdir(join(folder.path, version));
      await writeFile(join(folder.path, version, 'config.yaml'), textOf(level));
    }
    await symlink('..one', join(folder.path, '..data'));
    await symlink('..data/config.yaml', join(folder.path, 'config.yaml'));
    await begin(join(folder.path, 'config.yaml'));
    await symlink('..two', join(folder.path, '..data_tmp'));
    await rename(join(folder.path, '..data_tmp'), join(folder.path, '..data'));
    expect((await changed).config.logging.level).to.equal('debug');
  });

  it('reads the file at SIGHUP', async () => {
    await beginWith(textOf('info'));
    await folder.write('config.yaml', textOf('warn'));
    process.emit('SIGHUP');
    expect((await changed).config.logging.level).to.equal('warn');
  });

  it('keeps the old configuration and logs all problems when the new one is invalid', async () => {
    await beginWith(textOf('info'));
    await folder.write('config.yaml', textOf('loud', 'planted'));
    await watch.reload();
    expect(onChange.called).to.equal(false);
    const [message, fields] = logger.error.firstCall.args;
    expect(message).to.equal('the configuration cannot be applied, the old one stays in force');
    expect(fields!['issues']).to.have.length(2);
    expect(JSON.stringify(fields)).to.not.contain('planted');
    await folder.write('config.yaml', textOf('debug'));
    expect((await changed).config.status.port).to.equal(1);
    // Each event of the folder reads the file as well.
    expect(watch.reloads.OK).to.be.at.least(1);
    expect(watch.reloads.INVALID).to.be.at.least(1);
  });

  it('logs keys that need a restart once, and leaves them as they are', async () => {
    await beginWith(textOf('info'));
    await folder.write('config.yaml', textOf('debug', 2));
    await watch.reload();
    await watch.reload();
    expect((await changed).config).to.deep.include({ logging: { level: 'debug', format: 'json' } });
    expect((await changed).config.status.port).to.equal(1);
    const restarts = logger.warn.getCalls().filter(({ args }) => args[0].includes('need a restart'));
    expect(restarts.map(({ args }) => args[1])).to.deep.equal([{ keys: ['status.port'] }]);
  });

  it('logs an error of the receiver, and continues', async () => {
    await beginWith(textOf('info'));
    onChange.onFirstCall().throws(new Error('refused'));
    await folder.write('config.yaml', textOf('debug'));
    await watch.reload();
    expect(logger.error.called).to.equal(true);
    await folder.write('config.yaml', textOf('warn'));
    await watch.reload();
    expect((await changed).config.logging.level).to.equal('warn');
  });

  it('releases the folder and the signal when it is closed', async () => {
    const listeners = process.listenerCount('SIGHUP');
    await beginWith(textOf('info'));
    expect(process.listenerCount('SIGHUP')).to.equal(listeners + 1);
    await watch.close();
    expect(process.listenerCount('SIGHUP')).to.equal(listeners);
    await folder.write('config.yaml', textOf('debug'));
    await watch.reload();
    expect(onChange.called).to.equal(false);
  });

  it('logs that a folder cannot be watched', async () => {
    await beginWith(textOf('info'));
    await watch.close();
    const { config, origins } = await loadConfig({ env: { KW_WORKER_NAME: 'ci' } });
    const file = join(folder.path, 'none', 'config.yaml');
    watch = watchConfig({ sources: { file, env: {} }, loaded: { config, origins, file }, onChange, logger });
    expect(logger.warn.firstCall.args[0]).to.contain('send SIGHUP');
  });
});
