import { expect } from 'chai';
import { failureOf } from '../../support/agent/agent-connection.ts';
import { withAgent } from '../../support/agent/agent-fixture.ts';
import { encodeData, encodeEnd, encodeFrame, encodeJson, frameType, sha256 } from '../../support/agent/agent-frames.ts';

describe('a connection to the agent', () => {
  const agent = withAgent({ connects: false });

  const violation = async (...bytes: Uint8Array[]): Promise<string> => {
    const connection = await agent.connect();
    connection.write(Buffer.concat(bytes));
    const error = await connection.expectJson(frameType.error);
    expect(error['code']).to.equal('PROTOCOL_VIOLATION');
    // The agent reads until the host closes the connection, and sends nothing.
    connection.write(encodeFrame(frameType.ping, Buffer.alloc(8)));
    expect(await connection.silent(20)).to.equal(true);
    connection.destroy();
    return String(error['message']);
  };

  it('begins with a HELLO that describes the agent', async () => {
    const first = await agent.connect();
    const second = await agent.connect();
    const hello = await first.agentHello;
    expect(hello).to.include({
      magic: 'kubernetes-worker',
      uid: process.getuid?.(),
      gid: process.getgid?.(),
      pid1: false,
    });
    expect(hello['protocol']).to.deep.equal([1, 4]);
    expect(hello['incarnation']).to.be.a('string').and.have.length.above(15);
    expect(hello['freeBytes']).to.be.above(0);
    expect((await second.agentHello)['incarnation']).to.equal(hello['incarnation']);
    await first.bye();
    await second.bye();
  });

  it('rejects a host without a common version, and does not close first', async () => {
    const connection = await agent.connectRaw();
    connection.write(encodeJson(frameType.hello, { magic: 'kubernetes-worker', protocol: [5, 9], version: '9' }));
    await connection.agentHello;
    expect((await connection.expectJson(frameType.error))['code']).to.equal('AGENT_INCOMPATIBLE');
    expect(await connection.silent(20)).to.equal(true);
    connection.destroy();
    await connection.ended;
  });

  it('answers pings before, during and after operations', async () => {
    const connection = await agent.connect();
    const ping = async (text: string): Promise<void> => {
      connection.write(encodeFrame(frameType.ping, Buffer.from(text)));
      expect((await connection.expect(frameType.pong)).payload.toString()).to.equal(text);
    };
    await ping('one-----');
    await connection.start('pings', ['cat'], { stdin: true });
    connection.open({ op: 'attach', process: 'pings', stdin: true });
    await connection.expect(frameType.opened);
    await connection.expect(frameType.window);
    await ping('two-----');
    connection.write(encodeEnd(0, 0, sha256()));
    while ((await connection.next())?.type !== frameType.result);
    await ping('three---');
    connection.done();
    await ping('four----');
    await connection.bye();
  });

  it('accepts frames in pieces of any size', async () => {
    const connection = await agent.connectRaw();
    const bytes = Buffer.concat([
      encodeJson(frameType.hello, { magic: 'kubernetes-worker', protocol: [1, 1], version: '0' }),
      encodeFrame(frameType.ping, Buffer.alloc(8)),
      encodeJson(frameType.open, { op: 'status' }),
    ]);
    await connection.agentHello;
    for (const byte of bytes) {
      connection.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    await connection.expect(frameType.pong);
    expect(await connection.expectJson(frameType.result)).to.have.property('processes');
    connection.done();
    await connection.bye();
  });

  it('accepts a JSON text that spans frames, with pings between them', async () => {
    const connection = await agent.connect();
    const text = Buffer.from(JSON.stringify({ op: 'status', padding: 'x'.repeat(300_000) }));
    connection.write(encodeFrame(frameType.open, text.subarray(0, 200_000), 1));
    connection.write(encodeFrame(frameType.ping, Buffer.alloc(8)));
    connection.write(encodeFrame(frameType.open, text.subarray(200_000)));
    await connection.expect(frameType.pong);
    await connection.expect(frameType.result);
    connection.done();
    await connection.bye();
  });

  it('ends a connection that violates the protocol, with a reason', async () => {
    expect(await violation(encodeFrame(99))).to.contain('unknown type');
    expect(await violation(encodeFrame(0))).to.contain('unknown type');
    expect(await violation(encodeFrame(frameType.result))).to.contain('only the agent');
    expect(await violation(encodeFrame(frameType.cancel, Buffer.alloc(0), 0x80))).to.contain('flag');
    expect(await violation(Buffer.from([2, 0, 1, 0, 0, 0, 0, 0]))).to.contain('reserved');
    expect(await violation(Buffer.from([2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]))).to.contain('too long');
    expect(await violation(Buffer.from([14, 0, 0, 0, 7, 0, 0, 0]))).to.contain('length');
    expect(await violation(encodeFrame(frameType.hello, Buffer.from('{}')))).to.contain('outside an operation');
    expect(
      await violation(encodeFrame(frameType.open, Buffer.from('{"op":"sta'), 1), encodeFrame(frameType.cancel)),
    ).to.contain('middle of a JSON');
    expect(await violation(encodeFrame(frameType.open, Buffer.from('{"op"')))).to.contain('invalid JSON');
    expect(await violation(encodeFrame(frameType.open, Buffer.from('['.repeat(100_000))))).to.contain('invalid JSON');
    expect(await violation(encodeData(0, 0, Buffer.from('x')))).to.contain('outside an operation');
    expect(await violation(Buffer.from('GET / HTTP/1.1\r\n\r\n'))).to.contain('a frame');
  });

  it('rejects a JSON text of more than 4 MiB', async () => {
    const piece = encodeFrame(frameType.open, Buffer.alloc(262_144, 0x20), 1);
    expect(await violation(...Array.from({ length: 17 }, () => piece))).to.contain('4 MiB');
  });

  it('requires a HELLO with the magic first', async () => {
    for (const bytes of [
      encodeJson(frameType.open, { op: 'status' }),
      encodeJson(frameType.hello, { magic: 'other', protocol: [1, 1] }),
    ]) {
      const connection = await agent.connectRaw();
      connection.write(bytes);
      await connection.agentHello;
      expect((await connection.expectJson(frameType.error))['code']).to.equal('PROTOCOL_VIOLATION');
      connection.destroy();
    }
  });

  it('rejects an unknown or incomplete operation, and accepts the next', async () => {
    const connection = await agent.connect();
    for (const open of [
      { op: 'dance' },
      {},
      { op: 7 },
      { op: 'start', process: '../x', args: ['true'] },
      { op: 'start', process: 'x', args: [] },
      { op: 'attach' },
      { op: 'remove' },
    ])
      expect((await failureOf(connection.call(open))).code, JSON.stringify(open)).to.equal('INVALID_SPEC');
    expect(await connection.call({ op: 'status' })).to.have.property('incarnation');
    await connection.bye();
  });

  it('discards frames that arrive after the end of their operation', async () => {
    const connection = await agent.connect();
    connection.open({ op: 'attach', process: 'nobody', stdin: true });
    connection.write(encodeData(0, 0, Buffer.from('late')));
    connection.window(1, 0, 1000);
    connection.write(encodeFrame(frameType.cancel));
    expect((await connection.expectJson(frameType.error))['code']).to.equal('PROCESS_NOT_FOUND');
    connection.write(encodeData(0, 4, Buffer.from('later')));
    connection.done();
    expect(await connection.call({ op: 'status' })).to.have.property('incarnation');
    await connection.bye();
  });

  it('serves many connections at once', async () => {
    const connections = await Promise.all(Array.from({ length: 30 }, () => agent.connect()));
    const answers = await Promise.all(connections.map((connection) => connection.call({ op: 'status' })));
    expect(new Set(answers.map((answer) => answer['incarnation'])).size).to.equal(1);
    await Promise.all(connections.map((connection) => connection.bye()));
  });
});
