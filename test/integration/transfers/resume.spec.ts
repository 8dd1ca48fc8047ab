import { createHash, randomBytes } from 'node:crypto';
import { open, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import type { UploadResult } from '../../../src/agent-client/transfer/upload.ts';
import { AgentProcess, until } from '../../support/agent/agent-process.ts';
import { rejection } from '../../support/rejection.ts';
import {
  close,
  cutFromPod,
  cutToPod,
  type ExecPlan,
  earlyEnd,
  fin,
  type Happening,
  kill,
  reset,
} from '../../support/rig/exec-plan.ts';
import { type RigClientOptions, TransferRig } from '../../support/rig/transfer-rig.ts';
import { seededRandom, testSeed } from '../../support/seeded-random.ts';
import { readTar, tarOf } from '../../support/tar.ts';
import { Tripwire } from '../../support/tripwire.ts';

const retryBackoff = { firstMs: 5, longestMs: 20 };
const refused: ExecPlan = { refuse: { status: 503 } };

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const fraction = seededRandom(testSeed());

function random(limit: number): number {
  return Math.floor(fraction() * limit);
}

describe('a transfer that loses its connection', () => {
  let tripwire: Tripwire;
  let rig: TransferRig;
  let noise: Buffer;
  let archive: Buffer;
  /** The archive of the volume `down`. */
  let whole: Buffer;

  before(async () => {
    tripwire = await Tripwire.set();
    rig = await TransferRig.start();
    noise = randomBytes(800_000);
    archive = await tarOf({ noise, text: 'text '.repeat(40_000) });
    await rig.put('down', { noise: randomBytes(800_000), text: 'text '.repeat(40_000) });
    whole = await buffer((await rig.client().send({ volume: 'down' })).readable);
    await rig.quiet();
  });

  afterEach(async () => {
    await rig.idle();
    await rig.quiet();
    rig.api.planFor = () => ({});
    expect(rig.api.plansLeft).to.equal(0);
  });

  after(async () => {
    await rig[Symbol.asyncDispose]();
    await tripwire.check();
  });

  /** Returns a read-once source of the archive. */
  async function* once(bytes: Buffer = archive): AsyncGenerator<Uint8Array, void, undefined> {
    for (let at = 0; at < bytes.length; at += 50_000) yield bytes.subarray(at, at + 50_000);
  }

  /** Uploads from a read-once source, and checks the volume in the pod. */
  async function upload(plans: readonly ExecPlan[], options: RigClientOptions = {}): Promise<UploadResult> {
    rig.api.plan(...plans);
    const result = await rig.client({ retryBackoff, ...options }).receive({ volume: 'up' }, once());
    expect(result).to.include({ bytes: archive.length, sha256: sha256(archive) });
    expect((await rig.bytes('up', 'noise')).equals(noise)).to.equal(true);
    return result;
  }

  async function download(plans: readonly ExecPlan[], options: RigClientOptions = {}): Promise<void> {
    rig.api.plan(...plans);
    const { readable, completed } = await rig.client({ retryBackoff, ...options }).send({ volume: 'down' });
    const bytes = await buffer(readable);
    expect(bytes.equals(whole)).to.equal(true);
    expect(await completed).to.include({ bytes: whole.length, sha256: sha256(whole) });
  }

  const ways: readonly (readonly [string, Happening])[] = [
    ['a reset', reset],
    ['a FIN', fin],
    ['a close with 1000', close(1000)],
    ['a close with 1001', close(1001)],
    ['a close with 1011', close(1011)],
    ['the end of its command', kill],
  ];

  for (const [name, how] of ways) {
    context(`by ${name}`, () => {
      it('resumes an upload', async () => {
        await upload([cutToPod(random(archive.length - 300_000), how)]);
        expect(rig.api.execs).to.have.length(2);
      });

      it('resumes a download', async () => {
        await download([cutFromPod(random(whole.length - 300_000), how)]);
        expect(rig.api.execs).to.have.length(2);
      });
    });
  }

  it('resumes after five cuts of different kinds', async () => {
    const fiveTimes = (cut: (bytes: number, by: Happening) => ExecPlan): ExecPlan[] =>
      Array.from({ length: 5 }, (_, index) => cut(600 + random(150_000), ways[(index + random(2)) % ways.length]![1]));
    await upload(fiveTimes(cutToPod));
    await download(fiveTimes(cutFromPod));
    expect(rig.api.execs).to.have.length(12);
  });

  it('resumes an upload after an early end of its input', async () => {
    await upload([{ toPod: { after: [[random(archive.length - 300_000), earlyEnd]] } }]);
    expect(rig.api.execs).to.have.length(2);
  });

  context('in the opposite direction of its bytes', () => {
    it('resumes an upload after frames of the agent are lost', async () => {
      await upload([0, 1, 8, 100, 220].map((bytes) => cutFromPod(bytes)));
    });

    it('resumes a download after frames of the host are lost', async () => {
      await download([0, 1, 8, 50, 120].map((bytes) => cutToPod(bytes)));
    });
  });

  context('at a specific frame', () => {
    for (const type of ['HELLO', 'OPENED', 'WINDOW', 'RESULT'] as const) {
      it(`resumes an upload before and after ${type} of the agent, and commits once`, async () => {
        await upload([{ fromPod: { beforeFrame: [type, reset] } }]);
        await upload([{ fromPod: { afterFrame: [type, fin] } }]);
      });
    }

    for (const type of ['HELLO', 'OPEN', 'DATA', 'END'] as const) {
      it(`resumes an upload before and after ${type} of the host, and commits once`, async () => {
        await upload([{ toPod: { beforeFrame: [type, reset] } }]);
        await upload([{ toPod: { afterFrame: [type, reset] } }]);
      });
    }

    for (const type of ['HELLO', 'OPENED', 'DATA', 'END', 'RESULT'] as const) {
      it(`resumes a download before and after ${type} of the agent`, async () => {
        await download([{ fromPod: { beforeFrame: [type, reset] } }]);
        await download([{ fromPod: { afterFrame: [type, fin] } }]);
      });
    }

    it('leaves nothing in the pod at its last frame, DONE', async () => {
      await upload([{ toPod: { beforeFrame: ['DONE', reset] } }]);
      await download([{ toPod: { beforeFrame: ['DONE', reset] } }]);
    });
  });

  context('when everything was sent, and the outcome is missing', () => {
    it('receives the outcome of an agent that has committed without a connection', async () => {
      rig.api.plan({ fromPod: { beforeFrame: ['RESULT', reset] } }, refused, refused, refused);
      const result = await rig.client({ retryBackoff }).receive({ volume: 'outcome' }, once());
      expect(result).to.include({ bytes: archive.length, sha256: sha256(archive), entries: 2 });
    });

    it('receives the outcome of an agent that was killed after the commit', async () => {
      const killed: Happening = async (exec) => {
        await rig.agent.killAndRestart();
        exec.reset();
      };
      const result = await upload([{ fromPod: { beforeFrame: ['RESULT', killed] } }]);
      expect(result.entries).to.equal(2);
      expect(rig.api.execs).to.have.length(2);
    });

    it('receives the error of a failed upload', async () => {
      rig.api.plan({ fromPod: { beforeFrame: ['ERROR', reset] } });
      const error = await rejection(
        rig.client({ retryBackoff }).receive({ volume: 'failed' }, once(archive.subarray(0, 500_000))),
      );
      expect(error).to.include({ code: 'KW_ERR_TRUNCATED_ARCHIVE', retryable: false });
      expect(await rig.contents('failed')).to.deep.equal({});
    });

    it('rejects with OutcomeUnknownError and the known facts if the agent cannot be reached', async () => {
      rig.api.planFor = () => refused;
      rig.api.plan({ fromPod: { beforeFrame: ['RESULT', reset] } });
      const error = await rejection(
        rig.client({ retryBackoff, retryBudgetMs: 60 }).receive({ volume: 'unknown' }, once()),
      );
      expect(error).to.include({ code: 'KW_ERR_OUTCOME_UNKNOWN' });
      expect(error.message).to.contain('unknown').and.contain('pod');
      await rig.agent.killAndRestart();
    });
  });

  context('when its retry budget is spent', () => {
    const starting: ExecPlan = { refuse: { status: 503, body: 'the API server is starting' } };

    afterEach(async () => {
      await rig.agent.killAndRestart();
    });

    it('rejects an upload with volume, pod, direction, bytes and the last refusal', async () => {
      rig.api.planFor = () => starting;
      rig.api.plan(cutToPod(300_000));
      const source = Readable.from(once(Buffer.concat([archive.subarray(0, -10_240), randomBytes(12_000_000)])));
      const up = await rejection(rig.client({ retryBackoff, retryBudgetMs: 60 }).receive({ volume: 'spent' }, source));
      expect(up).to.include({
        code: 'KW_ERR_OPERATION_LOST',
        handle: 'spent',
        podName: 'pod',
        direction: 'in',
        retryable: true,
      });
      expect(up.message).to.contain('503').and.contain('the API server is starting');
    });

    it('rejects a download in the same way', async () => {
      rig.api.planFor = () => starting;
      // A reset would overtake bytes that the client has not read.
      rig.api.plan(cutFromPod(300_000, fin));
      const { readable } = await rig.client({ retryBackoff, retryBudgetMs: 60 }).send({ volume: 'down' });
      let bytes = 0;
      readable.on('data', (chunk: Buffer) => (bytes += chunk.length));
      const down = await rejection(finished(readable));
      expect(down).to.include({
        code: 'KW_ERR_OPERATION_LOST',
        handle: 'down',
        podName: 'pod',
        direction: 'out',
        bytes,
      });
      expect(bytes).to.be.within(290_000, 300_000);
    });

    it('continues while it makes progress, for any number of cuts', async () => {
      rig.api.planFor = () => cutToPod(330_000);
      await upload([]);
      rig.api.planFor = () => cutFromPod(330_000);
      await download([]);
      expect(rig.api.execs).to.have.length.of.at.least(5);
    });

    it('rejects at once if the pod no longer exists', async () => {
      rig.api.planFor = () => ({
        refuse: {
          status: 404,
          body: JSON.stringify({ kind: 'Status', reason: 'NotFound', message: 'pods "pod" not found' }),
        },
      });
      rig.api.plan(cutFromPod(300_000, fin));
      const { readable } = await rig.client({ retryBackoff }).send({ volume: 'down' });
      const error = await rejection(buffer(readable));
      expect(error).to.include({ code: 'KW_ERR_OPERATION_LOST', podName: 'pod' });
      expect(error.message).to.contain('pods "pod" not found');
      expect(rig.api.tokens.length).to.be.below(4);
    });

    it('rejects with the explanation of its caller, however late', async () => {
      rig.api.planFor = () => ({
        refuse: {
          status: 404,
          body: JSON.stringify({ kind: 'Status', reason: 'NotFound', message: 'pods "pod" not found' }),
        },
      });
      rig.api.plan(cutFromPod(300_000, fin));
      const gone = new Error('the pod was deleted');
      const explain = async (error: Error): Promise<Error> => {
        expect(error).to.include({ code: 'KW_ERR_OPERATION_LOST' });
        await sleep(20);
        return gone;
      };
      const { readable, completed } = await rig.client({ retryBackoff }).send({ volume: 'down' }, { explain });
      expect(await rejection(buffer(readable))).to.equal(gone);
      expect(await rejection(completed)).to.equal(gone);
    });
  });

  context('because the agent was killed', () => {
    const killAgent: Happening = () => rig.agent.killAndRestart();

    it('restarts from a source that can be opened again', async () => {
      await rig.put('anew', { before: 'kept' });
      let openings = 0;
      rig.api.plan({ toPod: { after: [[600_000, killAgent]] } });
      const result = await rig.client({ retryBackoff }).receive({ volume: 'anew' }, () => {
        openings += 1;
        return once(Buffer.concat([archive.subarray(0, -1024), archive.subarray(0, -1024), archive]));
      });
      expect(result.entries).to.equal(6);
      expect(openings).to.be.within(1, 2);
      expect(Object.keys(await rig.contents('anew')).sort()).to.deep.equal(['before', 'noise', 'text']);
    });

    it('rejects for a read-once source after more than a window, and leaves the volume unchanged', async () => {
      await rig.put('gone', { before: 'kept' });
      // Beyond the first window, so that the agent has acknowledged bytes, which are discarded.
      rig.api.plan({ toPod: { after: [[9_000_000, killAgent]] } });
      const error = await rejection(
        rig
          .client({ retryBackoff })
          .receive({ volume: 'gone' }, once(await tarOf({ before: 'changed', noise: randomBytes(12_000_000) }))),
      );
      expect(error).to.include({ code: 'KW_ERR_OPERATION_LOST', handle: 'gone', direction: 'in' });
      expect(await rig.contents('gone')).to.deep.equal({ before: 'kept' });
    });

    it('rejects a download after its first bytes, without an end', async () => {
      rig.api.plan({ fromPod: { after: [[600_000, killAgent]] } });
      const { readable } = await rig.client({ retryBackoff, downloadWindowBytes: 200_000 }).send({ volume: 'down' });
      expect(await rejection(buffer(readable))).to.include({
        code: 'KW_ERR_OPERATION_LOST',
        handle: 'down',
        direction: 'out',
      });
    });
  });

  context('while the volume changes', () => {
    it('resumes with the original bytes or rejects because they changed, and never mixes them', async () => {
      const [before, after] = [Buffer.alloc(3_000_000, 'before '), Buffer.alloc(3_000_000, 'after  ')];
      for (const changed of ['shrinks', 'grows', 'is another'] as const) {
        await rig.put('changing', { file: before });
        const change: Happening = async (exec) => {
          const file = rig.path('changing', 'file');
          if (changed === 'is another') await writeFile(file, after);
          const handle = await open(file, 'r+');
          await handle.truncate(changed === 'shrinks' ? 1_000_000 : 3_100_000);
          await handle.close();
          exec.fin();
        };
        rig.api.plan({ fromPod: { afterFrame: ['DATA', change] } });
        const { readable } = await rig
          .client({ retryBackoff, downloadWindowBytes: 300_000 })
          .send({ volume: 'changing' });
        const outcome: unknown = await buffer(readable).catch((error: unknown) => error);
        if (Buffer.isBuffer(outcome))
          expect((await readTar(outcome)).get('file')?.content.length, changed).to.equal(before.length);
        else expect(outcome, changed).to.include({ code: 'KW_ERR_FILE_CHANGED' });
        if (changed === 'shrinks') expect(outcome).to.be.instanceOf(Error);
      }
    });
  });

  context('between two pods', () => {
    let other: AgentProcess;

    before(async () => {
      other = await AgentProcess.start();
      rig.api.pods.set('other', other.folder);
    });

    after(async () => {
      await other[Symbol.asyncDispose]();
    });

    it('resumes at either end, with equal contents in both pods', async () => {
      const plans: Record<string, ExecPlan[]> = {
        pod: [cutFromPod(100_000), cutFromPod(400_000, fin), cutToPod(60)],
        other: [
          cutToPod(5_000),
          cutToPod(500_000, fin),
          cutFromPod(120),
          { fromPod: { beforeFrame: ['RESULT', reset] } },
        ],
      };
      rig.api.planFor = (podName) => plans[podName]?.shift() ?? {};
      const from = rig.client({ retryBackoff });
      const to = rig.client({ retryBackoff, podName: 'other' });
      const result = await to.receiveFrom({ volume: 'copied' }, { client: from, spec: { volume: 'down' } });
      expect(result).to.include({ bytes: whole.length, sha256: sha256(whole) });
      const { readable } = await to.send({ volume: 'copied' });
      expect((await buffer(readable)).equals(whole)).to.equal(true);
      expect(Object.values(plans).flat()).to.deep.equal([]);
      const connection = await other.connect();
      await until('the pod has no operations left', async () => {
        const { operations, parked } = await connection.call({ op: 'status' });
        return operations === 0 && parked === 0;
      });
      await connection.bye();
    });
  });

  it('together with all others, as when a control plane is replaced, resumes', async () => {
    const client = rig.client({ retryBackoff, maxIdle: 32 });
    let begun = 0;
    const transfers = Array.from({ length: 16 }, async (_, index) => {
      if (index % 2 === 0) return (await client.receive({ volume: `rotated-${index}` }, once())).bytes;
      const { readable } = await client.send({ volume: 'down' });
      begun += 1;
      return (await buffer(readable)).length;
    });
    await until('the downloads have begun', () => begun > 2);
    await rig.api.all(reset);
    expect(new Set(await Promise.all(transfers))).to.deep.equal(new Set([archive.length, whole.length]));
  });
});
