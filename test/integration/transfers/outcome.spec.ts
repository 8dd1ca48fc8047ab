import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';
import { type ExecProtocol, execProtocols } from '../../../src/exec/protocol-order.ts';
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

describe('the outcome of a transfer', () => {
  let tripwire: Tripwire;
  let rig: TransferRig;
  let archive: Buffer;
  /** The archive of the volume `down`. */
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
    // A client ends a failed transfer in the agent after it has rejected.
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

  context('when the exec reports', () => {
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
      ['an incomplete status', { status: ['{"status":"Suc'] }],
      ['a status without JSON', { status: [Buffer.from([0xff, 0, 0x80])] }],
      ['no status', { status: [] }],
      ['no status, and a reset', { status: [], ending: 'reset' }],
    ];

    for (const [name, plan] of ends) {
      it(`${name}, resumes a download over another connection`, async () => {
        const down = await download({ ...plan, fromPod: { after: [[400_000, kill]] } });
        expect(down.equals(whole)).to.equal(true);
        expect(rig.api.execs).to.have.length(2);
      });
    }

    it('any of these, resumes an upload over another connection', async () => {
      for (const [name, plan] of ends.filter((_, index) => index % 4 === 0))
        expect(await upload('status', { ...plan, toPod: { after: [[400_000, kill]] } }), name).to.include({
          bytes: archive.length,
        });
      expect(rig.api.execs).to.have.length(2 * Math.ceil(ends.length / 4));
    });

    it('an endless status, rejects with a protocol violation', async () => {
      const status = Array.from({ length: 40 }, () => 'x'.repeat(32 * 1024));
      expect((await rejection(download({ status, fromPod: { after: [[400_000, kill]] } }))).code).to.equal(
        'KW_ERR_PROTOCOL_VIOLATION',
      );
    });

    it('success before the end of the output, resumes over another connection', async () => {
      expect((await download({ fromPod: { after: [[400_000, earlySuccess]] } })).equals(whole)).to.equal(true);
      expect(await upload('early-success', { fromPod: { after: [[300, earlySuccess]] } })).to.include({
        bytes: archive.length,
      });
      expect(rig.api.execs).to.have.length(4);
    });

    it('an early end of the input, resumes over another connection', async () => {
      const result = await upload('early-end', { toPod: { after: [[500_000, earlyEnd]] } });
      expect(result).to.include({ bytes: archive.length, sha256: createHash('sha256').update(archive).digest('hex') });
      expect((await rig.bytes('early-end', 'noise')).length).to.equal(900_000);
    });

    it('its end after all bytes were received and before they were read, loses no byte', async () => {
      const isSent = Promise.withResolvers<void>();
      rig.api.plan({ fromPod: { afterFrame: ['RESULT', () => isSent.resolve()] } });
      const { readable } = await rig.client().send({ volume: 'down' });
      const exec = await rig.api.exec(0);
      // The result follows the last bytes.
      await isSent.promise;
      expect(readable.readableEnded).to.equal(false);
      exec.kill();
      await exec.over;
      expect((await buffer(readable)).equals(whole)).to.equal(true);
      expect(rig.api.execs).to.have.length(1);
    });
  });

  context('when no other connection can be opened', () => {
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
      // The agent cannot be reached to end the parked operations; a restart ends them.
      await rig.agent.killAndRestart();
      rig.api.planFor = () => ({ refuse: { status: 503 } });
    });

    for (const [name, plan] of lost) {
      it(`is a typed error with the known facts after ${name}, and the volume is unchanged`, async () => {
        await rig.put('lost', { before: 'kept' });
        rig.api.plan({ toPod: plan });
        // More than a window, so that END cannot have been sent.
        const source = Readable.from([await tarOf({ before: 'changed', noise: randomBytes(12_000_000) })]);
        const uploader = rig.client({ retryBackoff, retryBudgetMs: 50 });
        const up = await rejection(uploader.receive({ volume: 'lost' }, source));
        // Otherwise it continues to end the operation in the agent, and uses up plans for other
        // connections.
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
        const down = await rejection(
          (async () => {
            // A reset may overtake any bytes: then the download does not even begin.
            const { readable, completed } = await downloader.send({ volume: 'down' });
            const error = await rejection(buffer(readable));
            expect(readable.readableEnded).to.equal(false);
            expect(await rejection(completed)).to.equal(error);
            throw error;
          })(),
        );
        expect(down).to.include({ code: 'KW_ERR_OPERATION_LOST', handle: 'down', podName: 'pod', direction: 'out' });
        downloader.close();
      });
    }
  });

  context('when bytes are damaged in transit', () => {
    const typed = [
      'KW_ERR_DIGEST_MISMATCH',
      'KW_ERR_PROTOCOL_VIOLATION',
      'KW_ERR_CORRUPT_ARCHIVE',
      'KW_ERR_TRUNCATED_ARCHIVE',
      'KW_ERR_TRANSFER_STALLED',
    ];
    const damages: readonly (readonly [string, ExecDirectionPlan, string?])[] = [
      ['a changed byte', { flipByte: 400_000 }, 'KW_ERR_DIGEST_MISMATCH'],
      ['a changed byte of a header', { flipByte: 9 }],
      ['a lost frame', { dataFrames: { drop: 2 } }, 'KW_ERR_PROTOCOL_VIOLATION'],
      ['a repeated frame', { dataFrames: { duplicate: 2 } }, 'KW_ERR_PROTOCOL_VIOLATION'],
      ['two swapped frames', { dataFrames: { swapWithNext: 2 } }, 'KW_ERR_PROTOCOL_VIOLATION'],
      ['a lost message', { messages: { drop: 5 } }],
      ['a repeated message', { messages: { duplicate: 5 } }],
      ['two swapped messages', { messages: { swapWithNext: 4 } }],
    ];

    for (const [name, plan, code] of damages) {
      // Some damages show only by silence. The others are found in time, however slow the machine is.
      const options = { retryBackoff, ...(code === undefined ? { stallMs: 400 } : {}) };

      it(`is an error for ${name}, without a commit or an end`, async () => {
        await rig.put('damaged', { before: 'kept' });
        rig.api.plan({ toPod: plan });
        const up = await rejection(rig.client(options).receive({ volume: 'damaged' }, Readable.from([archive])));
        expect(up.code).to.be.oneOf(code === undefined ? typed : [code]);
        expect(await rig.contents('damaged')).to.deep.equal({ before: 'kept' });

        rig.api.plan({ fromPod: plan });
        const down = await rejection(
          (async () => await buffer((await rig.client(options).send({ volume: 'down' })).readable))(),
        );
        expect(down.code).to.be.oneOf(code === undefined ? typed : [code]);
      });
    }

    it('is an error if a proxy splits messages of the client into fragments, which Kubernetes does not join', async () => {
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

  context('when the bytes are not damaged', () => {
    it('is a success with fragments of the server, and pieces of any size', async () => {
      expect((await download({ fromPod: { fragmentBytes: 1000 } }, ['v4.channel.k8s.io'])).equals(whole)).to.equal(
        true,
      );
      expect((await download({ fromPod: { pieceBytes: 4099 } })).equals(whole)).to.equal(true);
      expect(await upload('pieces', { toPod: { pieceBytes: 4099 } })).to.include({ bytes: archive.length });
      expect(rig.api.execs).to.have.length(3);
    });

    it('is a success with noise on stderr', async () => {
      expect(await upload('noise', { stderrBytes: 8_000_000 })).to.include({ bytes: archive.length });
      expect((await download({ stderrBytes: 8_000_000 })).equals(whole)).to.equal(true);
      expect(rig.api.execs).to.have.length(2);
    });

    it('is the error of the agent for a flood of bytes, not a lost connection', async () => {
      for (let turn = 0; turn < 5; turn += 1) {
        let yieldedBytes = 0;
        const flood = (async function* () {
          for (; yieldedBytes < 64_000_000; yieldedBytes += 100_000) yield Buffer.alloc(100_000, 'no archive');
        })();
        expect(await rejection(rig.client().receive({ volume: 'flood' }, flood))).to.include({
          code: 'KW_ERR_CORRUPT_ARCHIVE',
          retryable: false,
        });
        expect(yieldedBytes).to.be.below(24_000_000);
      }
    });
  });

  context('when the archive is minimal', () => {
    it('is defined for no bytes, no entries, zero blocks only, and padding behind the end', async () => {
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

    it('needs no more messages than its bytes', async () => {
      const crumbs = (async function* () {
        for (let at = 0; at < archive.length; at += 100) yield archive.subarray(at, at + 100);
      })();
      await rig.client().receive({ volume: 'crumbs' }, crumbs);
      const exec = await rig.api.exec(0);
      // Full messages, and a few control frames.
      expect(exec.messagesToPod).to.be.below(archive.length / 57_000 + 8);
    });
  });
});
