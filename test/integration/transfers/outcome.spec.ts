import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';
import { type ExecProtocol, execProtocols } from '../../../src/exec/protocol-order.ts';
import { until } from '../../support/agent-process.ts';
import { rejection } from '../../support/rejection.ts';
import {
  close,
  type ExecDirectionPlan,
  type ExecPlan,
  earlyEnd,
  earlySuccess,
  fin,
  kill,
  reset,
} from '../../support/rig/exec-plan.ts';
import { TransferRig } from '../../support/rig/transfer-rig.ts';
import { tarOf } from '../../support/tar.ts';
import { Tripwire } from '../../support/tripwire.ts';

const retryBackoff = { firstMs: 5, longestMs: 20 };
const success = JSON.stringify({ metadata: {}, status: 'Success' });

function exited(code: string): string {
  const details = { causes: [{ reason: 'ExitCode', message: code }] };
  return JSON.stringify({ status: 'Failure', reason: 'NonZeroExitCode', message: `exit status ${code}`, details });
}

describe('What a transfer has come to', function () {
  this.timeout(20_000);
  let tripwire: Tripwire;
  let rig: TransferRig;
  let archive: Buffer;
  /** What the volume `down` is as an archive. */
  let whole: Buffer;

  before(async () => {
    tripwire = await Tripwire.set();
    rig = await TransferRig.start();
    archive = await tarOf({ noise: randomBytes(900_000), text: 'text '.repeat(50_000) });
    await rig.put('down', { noise: randomBytes(900_000), text: 'text '.repeat(50_000) });
    whole = await buffer((await rig.client().send({ volume: 'down' })).readable);
    await rig.quiet();
  });

  afterEach(async () => {
    // Whoever gives a transfer up tells the agent so, after it has told its caller.
    await rig.idle();
    await rig.quiet();
  });

  after(async () => {
    await rig[Symbol.asyncDispose]();
    await tripwire.check();
  });

  async function upload(volume: string, plan: ExecPlan): Promise<{ bytes: number; sha256: string }> {
    rig.api.plan(plan);
    return await rig.client({ retryBackoff }).receive({ volume }, Readable.from([archive]));
  }

  async function download(plan: ExecPlan, protocols: readonly ExecProtocol[] = execProtocols): Promise<Buffer> {
    rig.api.plan(plan);
    const { readable } = await rig.client({ retryBackoff, protocols }).send({ volume: 'down' });
    return await buffer(readable);
  }

  context('is never read off', () => {
    const ends: readonly (readonly [string, ExecPlan])[] = [
      ...['1', '3', '126', '127', '137', '255'].map(
        (code) => [`exit code ${code}`, { status: [exited(code)] }] as const,
      ),
      ['a success', { status: [success] }],
      ['a success in single characters', { status: success.split('') }],
      ['a failure without causes', { status: ['{"status":"Failure","reason":"NonZeroExitCode"}'] }],
      [
        'a failure of the runtime',
        { status: ['{"status":"Failure","reason":"InternalError","code":500,"message":"container died"}'] },
      ],
      ['an empty status', { status: [''] }],
      ['half a status', { status: ['{"status":"Suc'] }],
      ['a status that is no JSON', { status: [Buffer.from([0xff, 0, 0x80])] }],
      ['no status', { status: [] }],
      ['no status, and a reset', { status: [], ending: 'reset' }],
    ];

    for (const [name, plan] of ends) {
      it(`${name}: what is missing comes over another connection`, async () => {
        const down = await download({ ...plan, fromPod: { after: [[400_000, kill]] } });
        expect(down.equals(whole)).to.equal(true);
        expect(rig.api.execs).to.have.length(2);
      });
    }

    it('any of these: what an upload lacks goes over another connection', async () => {
      for (const [name, plan] of ends.filter((_, index) => index % 4 === 0))
        expect(await upload('status', { ...plan, toPod: { after: [[400_000, kill]] } }), name).to.include({
          bytes: archive.length,
        });
      expect(rig.api.execs).to.have.length(2 * Math.ceil(ends.length / 4));
    });

    it('a status without an end, which no server sends, and which nothing is held of', async () => {
      const status = Array.from({ length: 40 }, () => 'x'.repeat(32 * 1024));
      expect((await rejection(download({ status, fromPod: { after: [[400_000, kill]] } }))).code).to.equal(
        'KW_ERR_PROTOCOL_VIOLATION',
      );
    });

    it('an end of the output that is called a success', async () => {
      expect((await download({ fromPod: { after: [[400_000, earlySuccess]] } })).equals(whole)).to.equal(true);
      expect(await upload('early-success', { fromPod: { after: [[300, earlySuccess]] } })).to.include({
        bytes: archive.length,
      });
      expect(rig.api.execs).to.have.length(4);
    });

    it('an end of the input that nobody made', async () => {
      const result = await upload('early-end', { toPod: { after: [[500_000, earlyEnd]] } });
      expect(result).to.include({ bytes: archive.length, sha256: createHash('sha256').update(archive).digest('hex') });
      expect((await rig.bytes('early-end', 'noise')).length).to.equal(900_000);
    });

    it('nor is anything lost because the connection ended when all had come and nobody had read it', async () => {
      const { readable } = await rig.client().send({ volume: 'down' });
      const exec = await rig.api.exec(0);
      await until('all is there', async () => exec.bytesFromPod > 900_000);
      expect(readable.readableEnded).to.equal(false);
      exec.kill();
      await exec.over;
      expect((await buffer(readable)).equals(whole)).to.equal(true);
      expect(rig.api.execs).to.have.length(1);
    });
  });

  context('when there is no other connection', () => {
    const lost: readonly (readonly [string, ExecDirectionPlan])[] = [
      ['a reset', { after: [[400_000, reset]] }],
      ['a FIN', { after: [[400_000, fin]] }],
      ['a close with 1011', { after: [[400_000, close(1011)]] }],
      ['a close with 1000', { after: [[400_000, close(1000)]] }],
      ['an exit', { after: [[400_000, kill]] }],
    ];

    before(() => {
      rig.api.planFor = () => ({ refuse: { status: 503 } });
    });

    after(() => {
      rig.api.planFor = () => ({});
    });

    afterEach(async () => {
      rig.api.planFor = () => ({});
      // Nobody could tell the agent that nobody comes back; a restart ends what waits.
      await rig.agent.killAndRestart();
      rig.api.planFor = () => ({ refuse: { status: 503 } });
    });

    for (const [name, plan] of lost) {
      it(`after ${name}, it is a typed error with what is known, and the volume is as it was`, async () => {
        await rig.put('lost', { before: 'kept' });
        rig.api.plan({ toPod: plan });
        // More than a window of it, so that END cannot have been sent.
        const source = Readable.from([await tarOf({ before: 'changed', noise: randomBytes(12_000_000) })]);
        const uploader = rig.client({ retryBackoff, retryBudgetMs: 50 });
        const up = await rejection(uploader.receive({ volume: 'lost' }, source));
        // Else it goes on telling the agent to forget it, on connections that are planned for others.
        uploader.close();
        expect(up).to.include({
          code: 'KW_ERR_OPERATION_LOST',
          retryable: true,
          handle: 'lost',
          podName: 'pod',
          direction: 'in',
        });
        expect(source.destroyed).to.equal(true);
        expect(await rig.contents('lost')).to.deep.equal({ before: 'kept' });

        rig.api.plan({ fromPod: plan });
        const downloader = rig.client({ retryBackoff, retryBudgetMs: 50 });
        const { readable, completed } = await downloader.send({ volume: 'down' });
        let isEnded = false;
        readable.on('end', () => (isEnded = true));
        const down = await rejection(buffer(readable));
        expect(down).to.include({ code: 'KW_ERR_OPERATION_LOST', handle: 'down', podName: 'pod', direction: 'out' });
        downloader.close();
        expect(await rejection(completed)).to.equal(down);
        expect(isEnded).to.equal(false);
      });
    }
  });

  context('when the bytes change on their way', () => {
    const typed = [
      'KW_ERR_DIGEST_MISMATCH',
      'KW_ERR_PROTOCOL_VIOLATION',
      'KW_ERR_CORRUPT_ARCHIVE',
      'KW_ERR_TRUNCATED_ARCHIVE',
      'KW_ERR_TRANSFER_STALLED',
    ];
    const damages: readonly (readonly [string, ExecDirectionPlan, string?])[] = [
      ['a byte is another', { flipByte: 400_000 }, 'KW_ERR_DIGEST_MISMATCH'],
      ['a byte of a header is another', { flipByte: 9 }],
      ['a frame is lost', { dataFrames: { drop: 2 } }, 'KW_ERR_PROTOCOL_VIOLATION'],
      ['a frame comes twice', { dataFrames: { duplicate: 2 } }, 'KW_ERR_PROTOCOL_VIOLATION'],
      ['two frames change places', { dataFrames: { swapWithNext: 2 } }, 'KW_ERR_PROTOCOL_VIOLATION'],
      ['a message is lost', { messages: { drop: 5 } }],
      ['a message comes twice', { messages: { duplicate: 5 } }],
      ['two messages change places', { messages: { swapWithNext: 4 } }],
    ];

    for (const [name, plan, code] of damages) {
      it(`because ${name}, nothing is committed, and nothing ends`, async () => {
        await rig.put('damaged', { before: 'kept' });
        rig.api.plan({ toPod: plan });
        const up = await rejection(
          rig.client({ retryBackoff, stallMs: 400 }).receive({ volume: 'damaged' }, Readable.from([archive])),
        );
        expect(up.code).to.be.oneOf(code === undefined ? typed : [code]);
        expect(await rig.contents('damaged')).to.deep.equal({ before: 'kept' });

        rig.api.plan({ fromPod: plan });
        const down = await rejection(
          (async () =>
            await buffer((await rig.client({ retryBackoff, stallMs: 400 }).send({ volume: 'down' })).readable))(),
        );
        expect(down.code).to.be.oneOf(code === undefined ? typed : [code]);
      });
    }

    it('because a proxy splits what the client sends into fragments, which Kubernetes does not join', async () => {
      await rig.put('fragments', { before: 'kept' });
      rig.api.plan({ toPod: { fragmentBytes: 20_000 } });
      const error = await rejection(
        rig
          .client({ retryBackoff, stallMs: 400, protocols: ['v4.channel.k8s.io'] })
          .receive({ volume: 'fragments' }, Readable.from([archive])),
      );
      expect(error.code).to.be.oneOf(typed);
      expect(await rig.contents('fragments')).to.deep.equal({ before: 'kept' });
    });
  });

  context('when nothing is wrong with the bytes', () => {
    it('does not mind fragments of the server\u2019s, nor pieces of any size', async () => {
      expect((await download({ fromPod: { fragmentBytes: 1000 } }, ['v4.channel.k8s.io'])).equals(whole)).to.equal(
        true,
      );
      expect((await download({ fromPod: { pieceBytes: 4099 } })).equals(whole)).to.equal(true);
      expect(await upload('pieces', { toPod: { pieceBytes: 4099 } })).to.include({ bytes: archive.length });
      expect(rig.api.execs).to.have.length(3);
    });

    it('does not mind noise on stderr', async () => {
      expect(await upload('noise', { stderrBytes: 8_000_000 })).to.include({ bytes: archive.length });
      expect((await download({ stderrBytes: 8_000_000 })).equals(whole)).to.equal(true);
      expect(rig.api.execs).to.have.length(2);
    });

    it('is told the agent\u2019s own reason while it floods it, and not a broken connection', async () => {
      for (let turn = 0; turn < 5; turn += 1) {
        let givenBytes = 0;
        const flood = (async function* () {
          for (; givenBytes < 64_000_000; givenBytes += 100_000) yield Buffer.alloc(100_000, 'no archive');
        })();
        expect(await rejection(rig.client().receive({ volume: 'flood' }, flood))).to.include({
          code: 'KW_ERR_CORRUPT_ARCHIVE',
          retryable: false,
        });
        expect(givenBytes).to.be.below(24_000_000);
      }
    });
  });

  context('with almost nothing', () => {
    it('is defined: no bytes, an archive without entries, zero blocks only, padding behind the end', async () => {
      const client = rig.client();
      const empty = client.receive({ volume: 'nothing' }, Readable.from([]));
      expect(await rejection(empty)).to.include({ code: 'KW_ERR_TRUNCATED_ARCHIVE', retryable: false });
      for (const [bytes, entries] of [
        [Buffer.alloc(1024), 0],
        [Buffer.alloc(10_240), 0],
        [Buffer.concat([await tarOf({ a: 'a' }), Buffer.alloc(1_000_000)]), 1],
      ] as const) {
        const { entries: found, bytes: counted } = await client.receive({ volume: 'nothing' }, Readable.from([bytes]));
        expect([found, counted]).to.deep.equal([entries, bytes.length]);
      }
      await client.remove({ volume: 'nothing' });
      const { readable, completed } = await client.send({ volume: 'nothing' });
      expect((await buffer(readable)).equals(Buffer.alloc(1024))).to.equal(true);
      expect(await completed).to.include({ bytes: 1024, entries: 0 });
      expect(rig.api.execs).to.have.length(1);
    });

    it('is not sent in more messages than its bytes need', async () => {
      const crumbs = (async function* () {
        for (let at = 0; at < archive.length; at += 100) yield archive.subarray(at, at + 100);
      })();
      await rig.client().receive({ volume: 'crumbs' }, crumbs);
      const exec = await rig.api.exec(0);
      // As many as full ones are, and a few words.
      expect(exec.messagesToPod).to.be.below(archive.length / 57_000 + 8);
    });
  });
});
