/** The agent answers pings and reports progress during work without frames. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';

import type { AgentConnection, Json } from '../../support/agent/agent-connection.ts';
import { encodeData, encodeEnd, encodeFrame, encodeJson, frameType } from '../../support/agent/agent-frames.ts';
import { AgentProcess } from '../../support/agent/agent-process.ts';
import { agentSessions } from '../../support/agent/agent-sessions.ts';
import { AgentSyscalls } from '../../support/agent/agent-syscalls.ts';
import { tarOf } from '../../support/tar.ts';

describe('the agent at work', () => {
  let syscalls: AgentSyscalls | string;

  before(async () => {
    syscalls = await AgentSyscalls.build();
  });

  after(async () => {
    if (typeof syscalls !== 'string') await syscalls[Symbol.asyncDispose]();
  });

  /** An upload whose digest is wrong. */
  async function openUpload(agent: AgentProcess, files: Record<string, string>): Promise<AgentConnection> {
    const connection = await agent.connect();
    connection.open({ op: 'receive', id: 'up', volume: 'v', path: '', attempt: 1 });
    await connection.opened();
    await connection.expect(frameType.window);
    const archive = await tarOf(files);
    for (let at = 0; at < archive.length; at += 250_000) {
      connection.write(encodeData(0, at, archive.subarray(at, at + 250_000)));
    }
    connection.write(encodeEnd(0, archive.length, Buffer.alloc(32)));
    return connection;
  }

  it('answers pings, and reports progress, while it removes staging', async function () {
    if (typeof syscalls === 'string') {
      console.log(`      skipped: ${syscalls}`);
      this.skip();
    }
    const file = syscalls.file();
    await using agent = await AgentProcess.start({ wrapper: syscalls.slowing('unlinkat', file) });
    const files = Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`file${index}`, '']));
    const connection = await openUpload(agent, files);
    // The upload is rejected at its end, so PROGRESS is that of the removal.
    while ((await connection.next())?.type !== frameType.progress);
    connection.write(encodeFrame(frameType.ping, Buffer.from('at work!')));
    for (let frame = await connection.next(); frame?.type !== frameType.pong; frame = await connection.next()) {
      expect(frame?.type).to.equal(frameType.progress);
    }
    const left = await readdir(join(agent.folder, 'volumes/v/staging/up'));
    expect(left.length).to.be.above(0);
    await writeFile(file, '');
    let error: Json | undefined;
    while (error === undefined) {
      const frame = await connection.next();
      if (frame?.type === frameType.error) error = JSON.parse(frame.payload.toString()) as Json;
    }
    expect(error).to.include({ code: 'DIGEST_MISMATCH' });
    connection.done();
    await connection.bye();
  });

  it('answers pings, and reports progress, while an older attempt is ending', async () => {
    await using agent = await AgentProcess.start();
    const older = await agent.connect();
    older.open({ op: 'receive', id: 'up', volume: 'v', path: '', attempt: 1 });
    await older.opened();
    const [stopped] = await agentSessions(agent);
    if (stopped === undefined) throw new Error('no session');
    process.kill(stopped, 'SIGSTOP');
    const newer = await agent.connect();
    const open = { op: 'receive', id: 'up', volume: 'v', path: '', attempt: 2 };
    // In one write, so that the session has read the PING before it waits.
    const ping = encodeFrame(frameType.ping, Buffer.from('waiting!'));
    newer.write(Buffer.concat([encodeJson(frameType.open, open), ping]));
    try {
      expect((await newer.expect(frameType.pong)).payload.toString()).to.equal('waiting!');
      await newer.expect(frameType.progress);
    } finally {
      process.kill(stopped, 'SIGCONT');
    }
    for (let frame = await newer.next(); frame?.type !== frameType.opened; frame = await newer.next()) {
      expect(frame?.type).to.equal(frameType.progress);
    }
    newer.write(encodeEnd(0, 0, Buffer.alloc(32)));
    newer.destroy();
    await older.ended;
  });
});
