import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { spawn as spawnInTerminal } from '@lydell/node-pty';
import { expect } from 'chai';

import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { until } from '../../support/agent/agent-process.ts';
import { runCli, startCli, startCliInTerminal, TerminalCli } from '../../support/service/cli.ts';
import { type CliWorld, cliWorld } from '../../support/service/cli-world.ts';

const bin = process.env['KW_BIN'] ?? fileURLToPath(new URL('../../../src/service/main.ts', import.meta.url));
/** A program that crashes at SIGUSR2. */
const crashing = 'process.on("SIGUSR2", () => setImmediate(() => { throw new Error("crash"); }))';
const nodeOptions = `--import 'data:text/javascript,${encodeURIComponent(crashing)}'`;

/** Returns the IDs of the processes that run in a container. */
async function processesOf({ worker }: CliWorld, handle: string): Promise<readonly string[]> {
  const processes = await (await worker.lookupContainer(handle))?.listProcesses();
  return (processes ?? []).filter(({ state }) => state === 'running').map(({ id }) => id);
}

describe('kubernetes-worker exec', () => {
  let cluster: EmbeddedCluster;
  let world: CliWorld;
  let handle: string;

  before(async () => {
    cluster = await EmbeddedCluster.start();
    world = await cliWorld({ kubeconfigPath: cluster.kubeconfigPath, namespace: 'default', image: 'busybox:1' });
    ({ handle } = (await world.container()).container);
  });

  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await cluster?.close();
  });

  const exec = (...args: readonly string[]): readonly string[] => ['exec', handle, ...args];

  describe('with pipes', () => {
    it('passes stdin, stdout, stderr and the exit status', async () => {
      const script = 'cat; echo "$WHO in $(pwd)" >&2; exit 7';
      const args = exec('-i', '--env', 'WHO=me', '--dir', 'sub', '--', 'sh', '-c', script);
      const result = await runCli(args, { env: world.env, stdin: 'from stdin' });
      expect(result).to.deep.equal({ exitCode: 7, stdout: 'from stdin', stderr: 'me in /kw-cli/work/sub\n' });
    });

    it('moves large streams unchanged', async () => {
      const stdin = Buffer.alloc(3_000_000, 'abcdefg\n');
      const { exitCode, stdout } = await runCli(exec('--', 'cat'), { env: world.env, stdin });
      expect([exitCode, stdout === stdin.toString()]).to.deep.equal([0, true]);
    });

    it('ends with the command although stdin stays open', async () => {
      const running = startCli(exec('--', 'echo', 'done'), { env: world.env });
      expect(await running.ended).to.include({ exitCode: 0, stdout: 'done\n' });
    });

    it('stops the command at SIGINT, and exits with 130', async () => {
      const script = 'trap "echo stopped; exit 3" TERM; echo ready; while :; do sleep 0.1; done';
      const running = startCli(exec('--', 'sh', '-c', script), { env: world.env });
      await running.waitFor('ready');
      running.kill('SIGINT');
      expect(await running.ended).to.include({ exitCode: 130, stdout: 'ready\nstopped\n' });
    });

    it('names a container that does not exist, and a program that does not exist', async () => {
      const none = await runCli(['exec', 'none', '--', 'true'], { env: world.env });
      expect(none).to.include({ exitCode: 1, stdout: '' });
      expect(none.stderr).to.contain('there is no container none');
      const program = await runCli(exec('--', 'no-such-program'), { env: world.env });
      expect(program.exitCode).to.equal(1);
      expect(program.stderr).to.contain('KW_ERR_EXECUTABLE_NOT_FOUND');
    });

    it('exits with 69 without a cluster, and with 64 for wrong arguments', async () => {
      const env = { ...world.env, KW_WORKER_KUBECONFIG: '/none' };
      expect((await runCli(exec('--', 'true'), { env })).exitCode).to.be.oneOf([69, 78]);
      expect((await runCli(exec('--env', 'secret-without-name', '--', 'true'), { env })).exitCode).to.equal(64);
      expect((await runCli(['exec', handle], { env })).exitCode).to.equal(64);
    });
  });

  describe('in a terminal', () => {
    it('is interactive: keys arrive one by one, and the exit status is that of the command', async () => {
      const terminal = startCliInTerminal(exec('--', 'sh', '-c', 'tty; stty size; read -r x; echo "got $x"; exit 5'), {
        env: world.env,
      });
      await terminal.waitFor('24 80');
      terminal.write('hello\r');
      const { exitCode, output } = await terminal.ended;
      expect(exitCode).to.equal(5);
      expect(output).to.contain('/dev/pts/').and.to.contain('got hello');
      // Only the terminal of the command echoes what is typed.
      expect(output.split('hello')).to.have.length(3);
    });

    it('passes Ctrl-C to the command', async () => {
      const script = 'trap "echo caught" INT; echo ready; while read -r x; do exit 6; done; read -r y; exit 6';
      const terminal = startCliInTerminal(exec('--', 'sh', '-c', script), { env: world.env });
      await terminal.waitFor('ready');
      terminal.write('\x03');
      await terminal.waitFor('caught');
      terminal.write('\r');
      expect((await terminal.ended).exitCode).to.equal(6);
    });

    it('follows the size of the terminal', async () => {
      const script = 'stty size; while read -r x; do stty size; done; exit 0';
      const terminal = startCliInTerminal(exec('--', 'sh', '-c', script), { env: world.env });
      await terminal.waitFor('24 80');
      terminal.resize(111, 33);
      await until('the command has the size', () => {
        terminal.write('\r');
        return terminal.output.includes('33 111');
      });
      terminal.write('\x04');
      expect((await terminal.ended).exitCode).to.equal(0);
    });

    it('continues after the API server was away', async () => {
      const script = 'echo ready; while read -r x; do echo "got $x"; [ "$x" = end ] && exit 4; done';
      const terminal = startCliInTerminal(exec('--', 'sh', '-c', script), { env: world.env });
      await terminal.waitFor('ready');
      await cluster.stopApi();
      terminal.write('typed meanwhile\r');
      await cluster.startApi();
      await terminal.waitFor('got typed meanwhile');
      terminal.write('end\r');
      expect((await terminal.ended).exitCode).to.equal(4);
    });

    it('stops the command when the terminal is closed', async () => {
      const terminal = startCliInTerminal(exec('--', 'sh', '-c', 'echo ready; exec sleep 98765.4'), { env: world.env });
      await terminal.waitFor('ready');
      terminal.pty.kill('SIGHUP');
      terminal.pty.kill('SIGHUP');
      expect((await terminal.ended).exitCode).to.equal(129);
      expect(await processesOf(world, handle)).to.deep.equal([]);
    });

    /** Runs the command line and then `stty`, in a shell with a terminal. */
    const inShell = (script: string): TerminalCli => {
      const line = `"$0" ${nodeOptions} "$1" exec ${handle} -- sh -c '${script}'; echo "exit $?"; stty -a`;
      const env = { PATH: process.env['PATH'] ?? '', HOME: world.home, TERM: 'xterm', ...world.env };
      return new TerminalCli(spawnInTerminal('sh', ['-c', line, process.execPath, bin], { env }));
    };

    it('restores its mode at the end of the command', async () => {
      const { output } = await inShell('exit 9').ended;
      expect(output)
        .to.contain('exit 9')
        .and.to.match(/ icanon\b/)
        .and.not.match(/-(icanon|echo|isig)\b/);
    });

    it('restores its mode if the program crashes, and at a second signal', async () => {
      for (const [signals, status] of [
        [['SIGUSR2'], 'exit 1'],
        [['SIGTERM', 'SIGTERM'], 'exit 143'],
      ] as const) {
        const terminal = inShell('trap "echo signalled" TERM; echo ready; while :; do sleep 0.1; done');
        await terminal.waitFor('ready');
        const pid = Number(execFileSync('pgrep', ['-P', String(terminal.pty.pid)]).toString());
        for (const [index, signal] of signals.entries()) {
          // Two signals at once would be one.
          if (index > 0) await terminal.waitFor('signalled');
          process.kill(pid, signal);
        }
        const { output } = await terminal.ended;
        expect(output)
          .to.contain(status)
          .and.to.match(/ icanon\b/)
          .and.not.match(/-(icanon|echo|isig)\b/);
      }
    });
  });
});
