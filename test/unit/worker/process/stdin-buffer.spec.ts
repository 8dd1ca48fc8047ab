import { PassThrough, Readable } from 'node:stream';

import { expect } from 'chai';

import { StdinBuffer } from '../../../../src/worker/process/stdin-buffer.ts';
import { rejection } from '../../../support/rejection.ts';

describe('StdinBuffer', () => {
  const textOf = (piece: Awaited<ReturnType<StdinBuffer['pieceAt']>>) =>
    piece !== undefined && 'bytes' in piece ? Buffer.from(piece.bytes).toString() : piece;

  it('returns the bytes of the source, and its end', async () => {
    const stdin = new StdinBuffer(Readable.from([Buffer.from('ab'), Buffer.from('cd')], { objectMode: false }));
    expect(textOf(await stdin.pieceAt(0))).to.match(/^ab/);
    expect(await stdin.pieceAt(4)).to.deep.equal({ endAt: 4 });
  });

  it('returns unacknowledged bytes again, from any offset', async () => {
    const source = new PassThrough();
    const stdin = new StdinBuffer(source);
    source.write('0123');
    expect(textOf(await stdin.pieceAt(0))).to.equal('0123');
    source.write('4567');
    expect(textOf(await stdin.pieceAt(4))).to.equal('4567');
    stdin.acknowledge(4);
    expect(textOf(await stdin.pieceAt(6))).to.equal('67');
  });

  it('rejects an offset that was acknowledged', async () => {
    const source = new PassThrough();
    const stdin = new StdinBuffer(source);
    source.write('0123');
    await stdin.pieceAt(0);
    source.write('4567');
    await stdin.pieceAt(4);
    stdin.acknowledge(4);
    expect(await rejection(stdin.pieceAt(2))).to.include({ code: 'KW_ERR_PROTOCOL_VIOLATION' });
  });

  it('accepts text as its UTF-8 bytes', async () => {
    const stdin = new StdinBuffer(Readable.from(['ü']));
    expect(textOf(await stdin.pieceAt(0))).to.equal('ü');
    expect(await stdin.pieceAt(2)).to.deep.equal({ endAt: 2 });
  });

  it("rejects with the source's own error, or if the source was destroyed before its end", async () => {
    const failure = new Error('broken');
    const failing = new PassThrough();
    const stdin = new StdinBuffer(failing);
    const piece = rejection(stdin.pieceAt(0));
    failing.destroy(failure);
    expect(await piece).to.equal(failure);
    const destroyed = new PassThrough();
    destroyed.destroy();
    expect((await rejection(new StdinBuffer(destroyed).pieceAt(0))).message).to.equal(
      'stdin was destroyed before its end',
    );
  });

  it('reads and discards the bytes that the agent has', async () => {
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const [count, skipped] = [4800, 4799 * 64 * 1024 + 1000];
    let given = 0;
    const source = new Readable({
      read() {
        this.push(given < count ? chunk : null);
        given += 1;
      },
    });
    const stdin = new StdinBuffer(source);
    stdin.acknowledge(skipped);
    let most = 0;
    source.on('readable', () => {
      most = Math.max(most, stdin.keptBytes);
    });
    const piece = await stdin.pieceAt(skipped);
    expect(piece).to.have.property('offset', skipped);
    expect(most).to.be.at.most(chunk.length);
    expect(stdin.keptBytes).to.be.at.most(chunk.length - 1000);
  });

  it("rejects if the source ends before the agent's offset", async () => {
    const stdin = new StdinBuffer(Readable.from([Buffer.from('short')], { objectMode: false }));
    stdin.acknowledge(2 ** 52);
    expect(await rejection(stdin.pieceAt(2 ** 52))).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'stdin' });
  });

  it('returns the end if the agent has all bytes', async () => {
    const stdin = new StdinBuffer(Readable.from([Buffer.from('short')], { objectMode: false }));
    stdin.acknowledge(5);
    expect(await stdin.pieceAt(5)).to.deep.equal({ endAt: 5 });
  });

  it('rejects data that is neither bytes nor text', async () => {
    expect(await rejection(new StdinBuffer(Readable.from([{ not: 'bytes' }])).pieceAt(0))).to.include({
      code: 'KW_ERR_INVALID_SPEC',
      field: 'stdin',
    });
  });

  it('releases an unfinished source unchanged', async () => {
    const source = new PassThrough();
    const before = source.eventNames();
    const stdin = new StdinBuffer(source);
    const waiting = stdin.pieceAt(0);
    stdin.release();
    expect(await waiting).to.equal(undefined);
    expect([source.destroyed, source.eventNames()]).to.deep.equal([false, before]);
  });
});
