import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { spawn } from '@lydell/node-pty';
import { expect } from 'chai';

import { runCli } from '../../support/service/cli.ts';

type Complete = (line: string) => Promise<string> | string;

/** Each line with the one word that a shell completes it to. */
const lines: Readonly<Record<string, string>> = {
  'kubernetes-worker mig': 'migrate',
  'kubernetes-worker explain im': 'image',
  'kubernetes-worker ps --sta': '--state',
  'kubernetes-worker ps --state ke': 'kept',
  'kubernetes-worker ps --owner-kind logs --sta': '--state',
  'kubernetes-worker completion fi': 'fish',
};

describe('kubernetes-worker completion', () => {
  let home: string;

  before(() => {
    home = mkdtempSync(join(tmpdir(), 'kw-completion-'));
  });

  after(() => {
    rmSync(home, { recursive: true, force: true });
  });

  const scriptOf = async (shell: string): Promise<string> => {
    const file = join(home, `script.${shell}`);
    writeFileSync(file, (await runCli(['completion', shell])).stdout);
    return file;
  };

  const describeShell = (shell: string, start: () => Promise<Complete>): void => {
    it(`completes in ${shell}`, async function () {
      if (spawnSync(shell, ['--version']).error !== undefined) {
        console.log(`      skipped: this machine has no ${shell}`);
        this.skip();
      }
      const complete = await start();
      for (const [line, word] of Object.entries(lines)) expect(await complete(line), line).to.equal(word);
    });
  };

  describeShell('fish', async () => {
    const file = await scriptOf('fish');
    return (line) => {
      const script = `source ${file}; complete -C '${line}'`;
      const env = { PATH: process.env['PATH'], HOME: home };
      const found = execFileSync('fish', ['--no-config', '-c', script], { encoding: 'utf8', env });
      return found
        .trim()
        .split('\n')
        .map((each) => each.split('\t')[0])
        .join(' ');
    };
  });

  describeShell('zsh', async () => {
    const file = await scriptOf('zsh');
    return async (line) => {
      const shell = spawn('zsh', ['-f', '-i'], { env: { PATH: process.env['PATH'], HOME: home, TERM: 'dumb' } });
      let output = '';
      const ended = new Promise<void>((resolve) => void shell.onExit(() => resolve()));
      shell.onData((data) => {
        output += data;
      });
      // The command prints the words that the shell has completed, and ends the shell.
      const command = 'kubernetes-worker() { print -r -- "[[${argv[-1]}]]"; exit }';
      shell.write(`autoload -U compinit; compinit -u -D; source ${file}; ${command}\n`);
      shell.write(`${line}\t\n`);
      await ended;
      return [...output.matchAll(/\[\[([a-z-]+)\]\]/g)].at(-1)?.[1] ?? output;
    };
  });
});
