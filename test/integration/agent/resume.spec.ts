/** Transfers that resume over another connection, as docs/agent-protocol.md 4 specifies them. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';

import { type AgentConnection, Feeder, failureOf, type Json, Receiver } from '../../support/agent/agent-connection.ts';
import { withAgent } from '../../support/agent/agent-fixture.ts';
import {
  decodeData,
  decodeEnd,
  decodeWindow,
  encodeData,
  encodeEnd,
  encodeFrame,
  frameType,
} from '../../support/agent/agent-frames.ts';
import { AgentProcess, until } from '../../support/agent/agent-process.ts';
import { LimitedFolder } from '../../support/limited-folder.ts';
import { tarOf } from '../../support/tar.ts';

const leaseMs = 60_000;

describe('a transfer that loses its connection', () => {
  const agent = withAgent();
  let archive: Buffer;
  let digest: Buffer;

  before(async () => {
    archive = await tarOf({ big: randomBytes(3_000_000), small: 'small' });
    digest = createHash('sha256').update(archive).digest();
  });

  const dataOf = (volume: string): string => join(agent.folder, 'volumes', volume, 'data');
  const staged = async (volume: string): Promise<string[]> =>
    readdir(join(agent.folder, 'volumes', volume, 'staging')).catch(() => []);
  const statusOf = async (): Promise<Json> => agent.connection.call({ op: 'status' });
  const parked = async (count: number): Promise<void> => {
    await until(`${count} are parked`, async () => (await statusOf())['parked'] === count);
  };

  /** Opens an upload and receives OPENED and the first WINDOW. */
  async function openUpload(
    id: string,
    more: Json = {},
  ): Promise<{ connection: AgentConnection; opened: Json; limit: number }> {
    const connection = await agent.connect();
    connection.open({ op: 'receive', id, volume: id, path: '', attempt: 1, leaseMs, ...more });
    const opened = await connection.opened();
    const limit = opened['ended'] === true ? 0 : decodeWindow(await connection.expect(frameType.window)).limit;
    return { connection, opened, limit };
  }

  /** Sends the first bytes of an upload, and waits until the agent has received them. */
  async function beginUpload(id: string, bytes = 1_500_000, more: Json = {}): Promise<AgentConnection> {
    const { connection } = await openUpload(id, more);
    for (let at = 0; at < bytes; at += 250_000) connection.write(encodeData(0, at, archive.subarray(at, at + 250_000)));
    await taken(connection);
    return connection;
  }

  /** Waits until the agent has read all input so far. */
  async function taken(connection: AgentConnection): Promise<void> {
    connection.write(encodeFrame(frameType.ping, Buffer.alloc(8)));
    for (;;) if ((await connection.next())?.type === frameType.pong) return;
  }

  async function resultOf(connection: AgentConnection): Promise<Json> {
    for (;;) {
      const frame = await connection.next();
      if (frame?.type === frameType.result) return JSON.parse(frame.payload.toString()) as Json;
      if (frame?.type !== frameType.window && frame?.type !== frameType.progress)
        throw new Error(`frame ${frame?.type} came, no RESULT`);
    }
  }

  async function sendRest(connection: AgentConnection, from: number): Promise<Json> {
    for (let at = from; at < archive.length; at += 250_000)
      connection.write(encodeData(0, at, archive.subarray(at, at + 250_000)));
    connection.write(encodeEnd(0, archive.length, digest));
    return resultOf(connection);
  }

  context('as an upload', () => {
    it("waits, and resumes at the agent's offset", async () => {
      (await beginUpload('up')).destroy();
      await parked(1);
      expect(await staged('up')).to.deep.equal(['up']);
      const { connection, opened } = await openUpload('up', { attempt: 2, resume: true });
      expect(opened).to.deep.equal({ from: 1_500_000, ended: false });
      expect(await sendRest(connection, 1_500_000)).to.include({
        bytes: archive.length,
        sha256: digest.toString('hex'),
        entries: 2,
      });
      connection.done();
      expect(await readFile(join(dataOf('up'), 'small'), 'utf8')).to.equal('small');
      await until('nothing is left', async () => (await statusOf())['operations'] === 0);
      expect(await staged('up')).to.deep.equal([]);
      expect(await readdir(join(agent.folder, 'agent/results'))).to.deep.equal([]);
      await connection.bye();
    });

    it('replaces a connection that only seems to be open with a newer one', async () => {
      const older = await beginUpload('half-open');
      const { connection, opened } = await openUpload('half-open', { attempt: 2, resume: true });
      expect(opened['from']).to.equal(1_500_000);
      await older.ended;
      expect(await sendRest(connection, 1_500_000)).to.include({ bytes: archive.length });
      connection.done();
      await connection.bye();
    });

    it('answers a PING and a CANCEL that directly follow OPEN', async () => {
      (await beginUpload('at-once')).destroy();
      const connection = await agent.connect();
      connection.open({ op: 'receive', id: 'at-once', volume: 'at-once', path: '', attempt: 2, leaseMs, resume: true });
      connection.write(encodeFrame(frameType.ping, Buffer.from('together')));
      connection.write(encodeFrame(frameType.cancel));
      const seen: unknown[] = [];
      for (let frames = 0; frames < 4; frames += 1) seen.push((await connection.next())?.type);
      expect(seen).to.have.members([frameType.opened, frameType.window, frameType.pong, frameType.error]);
      connection.done();
      expect(await staged('at-once')).to.deep.equal([]);
      await connection.bye();
    });

    it('resumes over many connections, each cut at a different offset', async () => {
      let from = 0;
      for (let attempt = 1; from < archive.length; attempt += 1) {
        const { connection, opened } = await openUpload('often', { attempt, resume: attempt > 1 });
        expect(opened['from']).to.equal(from);
        connection.write(encodeData(0, from, archive.subarray(from, from + 200_000)));
        from = Math.min(from + 200_000, archive.length);
        await taken(connection);
        // A partial frame does not count.
        connection.write(encodeData(0, from, archive.subarray(0, 200_000)).subarray(0, attempt * 3000));
        connection.destroy();
        await parked(1);
      }
      const { connection, opened } = await openUpload('often', { attempt: 99, resume: true });
      expect(opened['from']).to.equal(archive.length);
      expect(await sendRest(connection, archive.length)).to.include({
        bytes: archive.length,
        sha256: digest.toString('hex'),
      });
      connection.done();
      await connection.bye();
    });

    it('commits without a connection once it is complete, and sends the result on the next one', async () => {
      const connection = await beginUpload('alone');
      for (let at = 1_500_000; at < archive.length; at += 250_000)
        connection.write(encodeData(0, at, archive.subarray(at, at + 250_000)));
      connection.write(encodeEnd(0, archive.length, digest));
      await resultOf(connection);
      connection.destroy();
      await parked(1);
      expect(await readdir(dataOf('alone'))).to.have.members(['big', 'small']);
      const again = await openUpload('alone', { attempt: 2, resume: true });
      expect(again.opened).to.deep.equal({ from: archive.length, ended: true });
      expect(await resultOf(again.connection)).to.include({ bytes: archive.length, sha256: digest.toString('hex') });
      again.connection.done();
      await again.connection.bye();
    });

    it('sends the result of a commit also after a restart, until the host has acknowledged it', async () => {
      await using own = await AgentProcess.start();
      const connection = await own.connect();
      connection.open({ op: 'receive', id: 'stored', volume: 'v', path: 'deep', attempt: 1, leaseMs });
      await connection.opened();
      const feeder = new Feeder(connection, archive);
      for (let result: unknown; result === undefined; ) {
        const frame = await connection.next();
        if (frame?.type === frameType.window) feeder.grant(decodeWindow(frame));
        if (frame?.type === frameType.result) result = frame;
      }
      await own.killAndRestart();
      for (const attempt of [2, 3]) {
        const next = await own.connect();
        next.open({ op: 'receive', id: 'stored', volume: 'v', path: 'deep', attempt, leaseMs, resume: true });
        const result = await resultOf(next);
        expect(result).to.deep.equal({
          bytes: archive.length,
          sha256: digest.toString('hex'),
          entries: 2,
          expandedBytes: 3_000_005,
        });
        if (attempt === 3) {
          next.done();
          await taken(next);
        }
        next.destroy();
      }
      const last = await own.connect();
      await until('it is forgotten', async () => (await readdir(join(own.folder, 'agent/results'))).length === 0);
      expect(
        (
          await failureOf(
            last.call({ op: 'receive', id: 'stored', volume: 'v', path: '', attempt: 4, leaseMs, resume: true }),
          )
        ).code,
      ).to.equal('OPERATION_GONE');
    });

    it('sends its failure on the next connection', async () => {
      const connection = await beginUpload('failed', 1_500_000);
      connection.write(encodeEnd(0, 1_500_000, Buffer.alloc(32)));
      expect((await connection.expectJson(frameType.error))['code']).to.equal('DIGEST_MISMATCH');
      connection.destroy();
      await parked(1);
      expect(await staged('failed')).to.deep.equal([]);
      const again = await openUpload('failed', { attempt: 2, resume: true });
      expect((await again.connection.expectJson(frameType.error))['code']).to.equal('DIGEST_MISMATCH');
      again.connection.done();
      await again.connection.bye();
    });
  });

  context('as a download', () => {
    before(async () => {
      await mkdir(dataOf('down'), { recursive: true });
      await writeFile(join(dataOf('down'), 'big'), randomBytes(5_000_000));
      await writeFile(join(dataOf('down'), 'text'), 'all the same '.repeat(300_000));
    });

    async function openDownload(more: Json): Promise<{ connection: AgentConnection; opened: Json }> {
      const connection = await agent.connect();
      connection.open({ op: 'send', id: 'down', volume: 'down', path: '', attempt: 1, leaseMs, ...more });
      return { connection, opened: await connection.opened() };
    }

    it("resumes at the host's offset, also after END", async () => {
      const whole = (await agent.connection.send({ id: 'whole', volume: 'down' })).archive;
      const parts: Buffer[] = [];
      let received = 0;
      let ends = 0;
      for (let attempt = 1; ends < 3; attempt += 1) {
        const { connection, opened } = await openDownload({ attempt, resume: attempt > 1, from: received });
        expect(opened).to.deep.equal({ from: received, kind: 'directory' });
        connection.window(1, received, received + 4_000_000);
        for (let frames = 0; frames < 5; frames += 1) {
          const frame = await connection.next();
          if (frame?.type === frameType.end) {
            ends += 1;
            expect(decodeEnd(frame)).to.deep.include({
              total: whole.length,
              digest: createHash('sha256').update(whole).digest(),
            });
            break;
          }
          if (frame?.type !== frameType.data) throw new Error(`frame ${frame?.type} came`);
          const data = decodeData(frame);
          expect(data.offset).to.equal(received);
          // The host may have received only a partial frame.
          const taken = data.compressed ? data.raw : data.raw.subarray(0, frames === 4 ? 1000 : undefined);
          parts.push(Buffer.from(taken));
          received += taken.length;
        }
        if (ends === 3) {
          expect(await resultOf(connection)).to.include({ bytes: whole.length, entries: 2 });
          connection.done();
          await connection.bye();
        } else connection.destroy();
      }
      expect(Buffer.concat(parts).equals(whole)).to.equal(true);
    });

    it('sends the same bytes again, even if the files have changed', async () => {
      const volume = 'changing';
      await mkdir(dataOf(volume), { recursive: true });
      const content = randomBytes(2_000_000);
      await writeFile(join(dataOf(volume), 'file'), content);
      const { connection } = await openDownload({ id: volume, volume, window: 4 << 20 });
      for (let frames = 0; frames < 8; frames += 1) await connection.expect(frameType.data);
      connection.destroy();
      await parked(1);
      await writeFile(join(dataOf(volume), 'file'), randomBytes(2_000_000));
      const again = await openDownload({ id: volume, volume, attempt: 2, resume: true, from: 0 });
      const receiver = new Receiver(again.connection, 1, 0);
      for (;;) {
        const frame = await again.connection.next();
        if (frame?.type === frameType.data) receiver.take(decodeData(frame));
        else if (frame?.type === frameType.end) receiver.end(decodeEnd(frame));
        else break;
      }
      const tar = receiver.finish();
      expect(tar.includes(content.subarray(0, 1_000_000))).to.equal(true);
      again.connection.done();
      await again.connection.bye();
    });

    it('refuses to resume before the acknowledged or after the sent offset', async () => {
      for (const [id, from] of [
        ['before', 100],
        ['after', 1 << 30],
      ] as const) {
        const { connection } = await openDownload({ id, window: 1_000_000 });
        await connection.expect(frameType.data);
        await connection.expect(frameType.data);
        connection.window(1, 262_144 * 2, 2_000_000);
        await connection.expect(frameType.data);
        await connection.expect(frameType.data);
        await connection.expect(frameType.data);
        connection.destroy();
        await parked(1);
        const again = await agent.connect();
        again.open({ op: 'send', id, volume: 'down', path: '', attempt: 2, leaseMs, resume: true, from });
        expect((await again.expectJson(frameType.error))['code']).to.equal('PROTOCOL_VIOLATION');
        again.destroy();
        await parked(0);
      }
    });
  });

  context('and is not resumed', () => {
    it('is discarded with its staging when the lease expires, with a reason', async () => {
      (await beginUpload('lease', 1_500_000, { leaseMs: 300 })).destroy();
      await until('it is dropped', async () => (await staged('lease')).length === 0);
      const failure = await failureOf(openUpload('lease', { attempt: 2, resume: true }));
      expect(failure.facts).to.include({
        code: 'OPERATION_GONE',
        message: 'no connection resumed it within its lease',
      });
    });

    it('ends immediately without a lease, and after BYE', async () => {
      (await beginUpload('no-lease', 1_500_000, { leaseMs: 0 })).destroy();
      await (await beginUpload('goodbye')).bye();
      for (const volume of ['no-lease', 'goodbye'])
        await until('staging is gone', async () => (await staged(volume)).length === 0);
      expect(await statusOf()).to.include({ parked: 0 });
    });

    it('is unknown after a restart, and begins again if the host has not received OPENED', async () => {
      await using own = await AgentProcess.start();
      const connection = await own.connect();
      expect(
        (await failureOf(connection.call({ op: 'receive', id: 'x', volume: 'v', path: '', leaseMs, resume: true })))
          .code,
      ).to.equal('OPERATION_GONE');
      expect(
        (await failureOf(connection.call({ op: 'send', id: 'x', volume: 'v', path: '', leaseMs, resume: true }))).code,
      ).to.equal('OPERATION_GONE');
      expect(await connection.receive({ id: 'x', volume: 'v', attempt: 5, leaseMs }, archive)).to.include({
        bytes: archive.length,
      });
    });

    it('can be removed, parked or running', async () => {
      (await beginUpload('parked')).destroy();
      await parked(1);
      const running = await beginUpload('running');
      for (const operation of ['parked', 'running', 'unknown'])
        expect(await agent.connection.call({ op: 'remove', operation })).to.deep.equal({});
      await running.ended;
      expect([await staged('parked'), await staged('running')]).to.deep.equal([[], []]);
      expect(await statusOf()).to.include({ operations: 0, parked: 0 });
    });

    it('frees space on a full disk, with a reason', async function () {
      await using limited = await LimitedFolder.mount('size=6m');
      if (limited === undefined) {
        console.log('      skipped: no small file system can be mounted here');
        return this.skip();
      }
      await using own = await AgentProcess.start({ folder: limited.folder });
      const open = async (id: string, more: Json = {}): Promise<AgentConnection> => {
        const connection = await own.connect();
        connection.open({ op: 'receive', id, volume: id, path: '', attempt: 1, leaseMs, ...more });
        return connection;
      };
      const waits = await open('waits');
      await waits.opened();
      for (let at = 0; at < 3_000_000; at += 250_000)
        waits.write(encodeData(0, at, archive.subarray(at, at + 250_000)));
      const status = await own.connect();
      await taken(waits);
      waits.destroy();
      await until('it is parked', async () => (await status.call({ op: 'status' }))['parked'] === 1);
      expect(
        await status.receive({ id: 'next', volume: 'next', leaseMs }, await tarOf({ big: randomBytes(4_000_000) })),
      ).to.include({ entries: 1 });
      const failure = await failureOf((await open('waits', { attempt: 2, resume: true })).opened());
      expect(failure.facts).to.include({
        code: 'OPERATION_GONE',
        message: 'its space was needed while it waited for a connection',
      });
    });

    it('ends if too many are parked, the longest parked first', async () => {
      const first = await beginUpload('first');
      first.destroy();
      await parked(1);
      for (let index = 0; index < 16; index += 1) {
        const { connection } = await openUpload(`many-${index}`);
        connection.destroy();
        await until('it is parked', async () => Number((await statusOf())['parked']) >= Math.min(index + 2, 16));
      }
      await until('the first is gone', async () => (await staged('first')).length === 0);
      const failure = await failureOf(openUpload('first', { attempt: 2, resume: true }));
      expect(failure.facts).to.include({
        code: 'OPERATION_GONE',
        message: 'its space was needed while it waited for a connection',
      });
      for (let index = 0; index < 16; index += 1)
        await agent.connection.call({ op: 'remove', operation: `many-${index}` });
      expect(await statusOf()).to.include({ parked: 0 });
    });
  });
});
