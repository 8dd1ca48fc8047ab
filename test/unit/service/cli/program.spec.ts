import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';

import { expect } from 'chai';
import { Command } from 'commander';

import type { CliContext } from '../../../../src/service/cli/cli-context.ts';
import { completionScripts } from '../../../../src/service/cli/completion-scripts.ts';
import { type CompletionNode, completionTree } from '../../../../src/service/cli/completion-tree.ts';
import { createProgram } from '../../../../src/service/cli/program.ts';
import { runCli } from '../../../../src/service/cli/run-cli.ts';

function newContext(): CliContext & { readonly stdout: PassThrough; readonly stderr: PassThrough } {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  return { stdin, stdout, stderr, env: {}, signal: new AbortController().signal };
}

async function run(...args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const context = newContext();
  const exitCode = await runCli(args, context);
  return { exitCode, stdout: String(context.stdout.read() ?? ''), stderr: String(context.stderr.read() ?? '') };
}

function completeInBash(nodes: readonly CompletionNode[], words: readonly string[]): string {
  const script = `${completionScripts['bash']?.(nodes)}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kubernetes_worker; echo "\${COMPREPLY[*]}"`;
  return execFileSync('bash', ['-c', script, 'bash', 'kubernetes-worker', ...words], { encoding: 'utf8' }).trim();
}

/** The commands with flags of their own. The document describes those of `config` in a text. */
const documented = /^\/(?!help|config|explain$)/;
const common = [
  '--config',
  '--worker-name',
  '--worker-namespace',
  '--worker-kubeconfig',
  '--database-url',
  '--help',
  '-h',
];

describe('the command line', () => {
  const nodes: readonly CompletionNode[] = completionTree(createProgram(newContext(), () => {}));

  it('has the commands and flags of docs/cli.md', () => {
    const text = readFileSync(new URL('../../../../docs/cli.md', import.meta.url), 'utf8');
    const sections = new Map<string, readonly string[]>(
      text.split(/^## /m).map((section) => {
        const flags = [...section.matchAll(/^\| (`-[^|]+) \|/gm)].flatMap(
          ([, cell = '']) => cell.match(/--?[a-z-]+/g) ?? [],
        );
        return [`/${/^`([a-z ]+)`/.exec(section)?.[1]?.replaceAll(' ', '/') ?? ''}`, flags.sort()] as const;
      }),
    );
    for (const { path, words } of nodes.filter((node) => documented.test(node.path) && !node.path.endsWith('/help'))) {
      const flags = words.map((word) => word.text).filter((word) => word.startsWith('-') && !common.includes(word));
      expect(sections.get(path), path).to.deep.equal(flags.sort());
    }
  });

  it('exits with 64 for wrong arguments, with a suggestion', async () => {
    expect(await run('pss')).to.include({ exitCode: 64, stdout: '' });
    expect((await run('pss')).stderr).to.include('Did you mean ps?');
    expect((await run('ps', '--sate', 'kept')).stderr).to.include('Did you mean --state?');
    expect((await run('explain', 'error', 'pod-evictd')).stderr).to.include('did you mean KW_ERR_POD_EVICTED?');
    for (const args of [
      ['ps', '--state', 'x'],
      ['logs'],
      ['logs', 'h', '--since-bytes', '1x'],
      ['events', '--every-ms', '0'],
    ])
      expect((await run(...args)).exitCode, args.join(' ')).to.equal(64);
  });

  it('exits with 78 if the configuration has no database', async () => {
    const { exitCode, stderr } = await run('ps', '--worker-name', 'ci');
    expect(exitCode).to.equal(78);
    expect(stderr).to.include('database');
  });

  it('explains an error without a cluster and a database', async () => {
    const { exitCode, stdout } = await run('explain', 'error', 'pod-evicted', '--json');
    expect(exitCode).to.equal(0);
    expect(JSON.parse(stdout)).to.include({ code: 'KW_ERR_POD_EVICTED', retryable: 'yes' });
  });

  it('completes commands, flags and values in bash', () => {
    const complete = (...words: string[]): string => completeInBash(nodes, words);
    expect(complete('mig')).to.equal('migrate');
    expect(complete('explain', 'i')).to.equal('image');
    expect(complete('ps', '--st')).to.equal('--state');
    expect(complete('ps', '--state', 'k')).to.equal('kept');
    expect(complete('ps', '--worker-name', '')).to.equal('');
    expect(complete('completion', 'z')).to.equal('zsh');
    expect(complete('run', 'image', '--', 'ls', '--lo')).to.equal('');
  });

  it('takes the value of a flag for no command', () => {
    const program = new Command('kubernetes-worker').option('--file <path>', 'A file.');
    program.addCommand(new Command('show').option('--deep', 'Deep.'));
    const complete = (...words: string[]): string => completeInBash(completionTree(program), words);
    expect(complete('show', '--d')).to.equal('--deep');
    expect(complete('--file', 'show', '--d')).to.equal('');
    expect(complete('--file', 'show', 's')).to.equal('show');
  });
});
