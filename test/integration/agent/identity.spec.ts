/** The users that may connect to the agent, and the users that commands run as. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';

import { expect } from 'chai';

import { AgentProcess } from '../../support/agent/agent-process.ts';

const NOBODY = 65534;

/** Connects to a socket, and prints `bytes` or `closed`. */
const CONNECT = `
  const socket = require('node:net').createConnection(process.argv[1]);
  socket.once('data', () => { console.log('bytes'); socket.destroy(); });
  socket.once('close', () => console.log('closed'));
  socket.once('error', (error) => console.log(error.code));`;

describe('the identity of', () => {
  before(function () {
    const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, '-e', '0'];
    if (process.getuid?.() === 0 && spawnSync('setpriv', asNobody).status === 0) return;
    console.log('      skipped: this needs root, setpriv, and a Node that other users may run');
    this.skip();
  });

  it('a peer is verified by the agent: another user gets nothing, even if the modes of folder and socket permit it', async () => {
    await using agent = await AgentProcess.start();
    await (await agent.connect()).bye();
    await chmod(agent.folder, 0o755);
    await chmod(join(agent.folder, 'agent'), 0o755);
    const socket = join(agent.folder, 'agent/socket');
    await chmod(socket, 0o777);
    const own = createConnection(socket);
    await once(own, 'data');
    own.destroy();
    const other = spawn(
      'setpriv',
      [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', process.execPath, '-e', CONNECT, socket],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let output = '';
    other.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    await once(other, 'close');
    expect(output.trim()).to.be.oneOf(['closed', 'ECONNRESET\nclosed']);
  });

  it("a command of another user has that user's groups, and none of the agent's", async () => {
    await using agent = await AgentProcess.start({ wrapper: ['setpriv', '--groups', '0,4242'] });
    const connection = await agent.connect();
    const { stdout } = await connection.run('p', ['/bin/sh', '-c', 'id -u; id -G'], {
      user: `${NOBODY}:4343`,
      dir: '/',
    });
    const [user, groups] = stdout.toString().trim().split('\n');
    expect(user).to.equal(String(NOBODY));
    expect(groups?.split(' ')).to.deep.equal(['4343']);
    await connection.bye();
  });

  it("a command without a user is the agent's own", async () => {
    await using agent = await AgentProcess.start({ wrapper: ['setpriv', '--groups', '0,4242'] });
    const connection = await agent.connect();
    const { stdout } = await connection.run('p', ['/bin/sh', '-c', 'id -u; id -G'], { dir: '/' });
    expect(stdout.toString()).to.equal('0\n0 4242\n');
    await connection.bye();
  });
});
