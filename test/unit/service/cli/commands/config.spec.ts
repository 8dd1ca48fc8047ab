import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';

import { expect } from 'chai';

import { runCli } from '../../../../../src/service/cli/run-cli.ts';
import { jsonSchema } from '../../../../../src/service/config/json-schema.ts';
import { ConfigFolder } from '../../../../support/service/config-folder.ts';

interface Result {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe('the command config', () => {
  let folder: ConfigFolder;
  let file: string;

  before(async () => {
    folder = await ConfigFolder.create();
    file = await folder.write('config.yaml', 'worker: {name: ci}\ndatabase: {url: "postgres://u@h/d"}\n');
  });

  after(async () => {
    await folder.remove();
  });

  async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Result> {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const printed = Promise.all([text(stdout), text(stderr)]);
    const { signal } = new AbortController();
    const exitCode = await runCli(['config', ...args], { stdin: new PassThrough(), stdout, stderr, env, signal });
    stdout.end();
    stderr.end();
    const [out, err] = await printed;
    return { exitCode, stdout: out, stderr: err };
  }

  context('validate', () => {
    it('ends with 0 for a valid file', async () => {
      for (const args of [[file], ['--config', file]])
        expect(await run(['validate', ...args])).to.deep.equal({
          exitCode: 0,
          stdout: 'The configuration is valid.\n',
          stderr: '',
        });
      expect((await run(['validate'], { KW_CONFIG: file })).exitCode).to.equal(0);
    });

    it('ends with 78 and all problems of an invalid one on stderr', async () => {
      const invalid = await folder.write('invalid.yaml', 'worker: {nam: ci}\nstatus: {port: x}\n');
      expect(await run(['validate', invalid], { KW_LIMITS_LEASE_MS: '-1' })).to.deep.equal({
        exitCode: 78,
        stdout: '',
        stderr: [
          `${invalid}:1:1 worker.name: is missing: set it in the file, by KW_WORKER_NAME or by --worker-name`,
          `${invalid}:1:10 worker.nam: unknown key; did you mean "name"?`,
          `${invalid}:2:16 status.port: is not an integer from 0 to 65535`,
          'variable KW_LIMITS_LEASE_MS: limits.leaseMs: is not an integer from 1 to 2147483647',
          '',
        ].join('\n'),
      });
    });

    it('reports what the library refuses, with the source of the value', async () => {
      const args = ['--config', file, '--images-policy-rules', '[{"name":"a","allow":["x y"]}]'];
      const { exitCode, stderr } = await run(['validate', ...args]);
      expect([exitCode, stderr]).to.deep.equal([78, stderr]);
      expect(stderr).to.match(/^flag --images-policy-rules: images\.policy\.rules\[0\]\.allow\[0\]: /);
    });

    it('prints the problems as JSON', async () => {
      const { exitCode, stdout } = await run(['validate', '--json', '--worker-name', 'ci']);
      expect(exitCode).to.equal(78);
      const { ok, issues } = JSON.parse(stdout);
      expect([ok, issues.map(({ path }: { readonly path: string }) => path)]).to.deep.equal([false, ['database.url']]);
      expect(JSON.parse((await run(['validate', '--json', file])).stdout)).to.deep.equal({ ok: true, issues: [] });
    });
  });

  context('print', () => {
    const env = { KW_DATABASE_URL: 'postgres://u:planted@h/d' };

    it('prints YAML with the sources', async () => {
      const { exitCode, stdout } = await run(['print', '--show-origin', '--config', file, '--status-port', '80'], env);
      expect(exitCode).to.equal(0);
      expect(stdout).to.contain(`name: ci # ${file}:1:16\n`).and.to.contain('port: 80 # flag --status-port\n');
      expect(stdout).to.contain('url: "***" # variable KW_DATABASE_URL\n').and.to.not.contain('planted');
    });

    it('prints JSON, with the sources on request', async () => {
      const plain = await run(['print', '--json', '--config', file], env);
      expect(JSON.parse(plain.stdout).worker.name).to.equal('ci');
      expect(plain.stdout).to.not.contain('planted');
      const { config, origins } = JSON.parse(
        (await run(['print', '--json', '--show-origin', '--config', file])).stdout,
      );
      expect(config).to.have.all.keys(Object.keys(JSON.parse(plain.stdout)));
      expect(origins['worker.name']).to.deep.equal({ kind: 'file', file, line: 1, column: 16 });
    });

    it('ends with 78 for an invalid configuration', async () => {
      const { exitCode, stdout, stderr } = await run(['print', '--config', `${file}.missing`]);
      expect([exitCode, stdout]).to.deep.equal([78, '']);
      expect(stderr).to.contain('config.yaml.missing: cannot be read (ENOENT)');
    });
  });

  it('prints the schema', async () => {
    expect(JSON.parse((await run(['schema'])).stdout)).to.deep.equal(jsonSchema());
  });

  it('ends with 64 for a wrong argument', async () => {
    expect((await run(['validate', '--worker-nam', 'x'])).exitCode).to.equal(64);
    expect((await run(['prin'])).exitCode).to.equal(64);
  });
});
