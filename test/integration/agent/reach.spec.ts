import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { promisify } from 'node:util';

import { expect } from 'chai';

import { agentBinary } from '../../support/agent/agent-process.ts';

const run = promisify(execFile);

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function reach(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  try {
    return { code: 0, ...(await run(agentBinary(), ['reach', ...args], { env })) };
  } catch (error) {
    return error as Outcome;
  }
}

const portOf = (server: Server): string => String((server.address() as AddressInfo).port);

async function listen(host: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy()).listen(0, host);
  await once(server, 'listening');
  return server;
}

/** A listener that accepts nothing, and whose full queue drops further packets. */
async function silentListener(): Promise<{ port: string; close: () => void }> {
  const program = `require('net').createServer().listen({port:0,host:'127.0.0.1',backlog:1},function(){
    console.log(this.address().port)})`;
  const child: ChildProcess = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  child.kill('SIGSTOP');
  const port = line.toString().trim();
  const queued: Socket[] = [];
  for (let number = 0; number < 4; number += 1)
    queued.push(connect({ port: Number(port), host: '127.0.0.1' }).on('error', () => undefined));
  await once(queued[0]!, 'connect');
  return {
    port,
    close: () => {
      for (const socket of queued) socket.destroy();
      child.kill('SIGKILL');
    },
  };
}

describe('agent reach', () => {
  for (const host of ['127.0.0.1', '::1']) {
    it(`connects to a listener at ${host}, and counts a refusal as reached`, async () => {
      const server = await listen(host);
      const port = portOf(server);
      expect(await reach([host, port, '5000'])).to.deep.equal({
        code: 0,
        stdout: `connected ${host} ${port}\n`,
        stderr: '',
      });
      server.close();
      await once(server, 'close');
      expect(await reach([host, port, '5000'])).to.include({ code: 0, stdout: `refused ${host} ${port}\n` });
    });
  }

  it('exits with 1 if nothing answers within the time', async () => {
    const listener = await silentListener();
    const { code, stdout } = await reach(['127.0.0.1', listener.port, '100']);
    listener.close();
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: `unreachable 127.0.0.1 ${listener.port}\n` });
  });

  it("takes the API server's Service from its environment", async () => {
    const server = await listen('127.0.0.1');
    const port = portOf(server);
    const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: port };
    expect(await reach(['-', '-', '5000'], env)).to.include({ code: 0, stdout: `connected 127.0.0.1 ${port}\n` });
    server.close();
  });

  for (const [problem, args] of [
    ['without the variables', ['-', '-', '100']],
    ['with a name, which needs DNS', ['localhost', '80', '100']],
    ['with port 0', ['127.0.0.1', '0', '100']],
    ['with port 65536', ['127.0.0.1', '65536', '100']],
    ['without a limit', ['127.0.0.1', '80', '0']],
    ['with too long a limit', ['127.0.0.1', '80', '60001']],
    ['with a negative limit', ['127.0.0.1', '80', '-1']],
    ['without a time-out', ['127.0.0.1', '80']],
  ] as const)
    it(`exits with 2 ${problem}, and prints no outcome`, async () => {
      const { code, stdout, stderr } = await reach(args);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' });
      expect(stderr).to.match(/^(agent: reach|usage): /);
    });
});
