/** The fault rig itself: it behaves as the Go API server, and its faults take effect. */
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';
import WebSocket from 'ws';

import { until } from '../../support/agent/agent-process.ts';
import {
  close,
  cutFromPod,
  cutToPod,
  type ExecPlan,
  earlyEnd,
  earlySuccess,
  fin,
  reset,
} from '../../support/rig/exec-plan.ts';
import { ExecRig } from '../../support/rig/exec-rig.ts';
import type { RigExec } from '../../support/rig/rig-exec.ts';
import { blackHole, TcpProxy, wireFin, wireReset } from '../../support/rig/tcp-proxy.ts';
import { Tripwire } from '../../support/tripwire.ts';

describe('the fault rig', () => {
  let tripwire: Tripwire;
  let folder: string;
  let rig: ExecRig;
  let proxy: TcpProxy;

  before(async () => {
    tripwire = await Tripwire.set();
    folder = await mkdtemp(join(tmpdir(), 'kw-rig-'));
    rig = await ExecRig.start();
    rig.pods.set('pod', folder);
    proxy = await TcpProxy.start(rig.port);
  });

  after(async () => {
    await proxy.close();
    await rig.close();
    await rm(folder, { recursive: true });
    await tripwire.check();
  });

  afterEach(async () => {
    await rig.quiet();
  });

  /** A client that is independent of the library. */
  class Client {
    readonly socket: WebSocket;
    readonly messages: Buffer[] = [];
    readonly closed: Promise<number>;
    error: Error | undefined;
    pongs = 0;

    constructor(script: string, { protocol = 'v4', port = rig.port }: { protocol?: string; port?: number } = {}) {
      const query = ['sh', '-c', script].map((argument) => `command=${encodeURIComponent(argument)}`).join('&');
      const url = `ws://127.0.0.1:${port}/api/v1/namespaces/ci/pods/pod/exec?${query}`;
      this.socket = new WebSocket(url, [`${protocol}.channel.k8s.io`], { perMessageDeflate: false });
      this.socket.on('message', (data) => this.messages.push(data as Buffer));
      this.socket.on('pong', () => (this.pongs += 1));
      this.socket.on('error', (error) => (this.error = error));
      this.closed = new Promise((resolve) => this.socket.on('close', resolve));
    }

    text(channel: number): string {
      return this.messages
        .filter((message) => message[0] === channel)
        .map((message) => message.toString('latin1', 1))
        .join('');
    }

    async type(text: string): Promise<void> {
      if (this.socket.readyState === WebSocket.CONNECTING) await once(this.socket, 'open');
      this.socket.send(Buffer.from(`\0${text}`, 'latin1'));
    }
  }

  async function open(
    script: string,
    plan: ExecPlan = {},
    options: { protocol?: string; port?: number } = {},
  ): Promise<{ client: Client; exec: RigExec }> {
    rig.plan(plan);
    const client = new Client(script, options);
    await once(client.socket, 'open');
    return { client, exec: await rig.exec(0) };
  }

  context('when its plan is empty', () => {
    it('opens each channel with an empty message, sends output in messages of at most 32 KiB, the status, and a close with 1000', async () => {
      const { client } = await open('head -c 100000 /dev/zero; echo oops >&2; exit 7');
      expect(await client.closed).to.equal(1000);
      expect(client.messages.slice(0, 3).map((message) => [...message])).to.deep.equal([[1], [2], [3]]);
      expect(client.text(1)).to.equal('\0'.repeat(100_000));
      expect(client.text(2)).to.equal('oops\n');
      expect(Math.max(...client.messages.map(({ length }) => length))).to.be.at.most(32 * 1024 + 1);
      expect(JSON.parse(client.text(3))).to.deep.include({
        reason: 'NonZeroExitCode',
        details: { causes: [{ reason: 'ExitCode', message: '7' }] },
      });
      expect(client.messages.at(-1)?.[0]).to.equal(3);
    });

    it('treats each frame as a message, so that later fragments are lost or misdirected', async () => {
      const { client } = await open('head -c 4');
      for (const [text, fin] of [
        ['\0ab', false],
        ['\0cd', false],
        ['\x07ef', true],
        ['\0gh', true],
      ] as const)
        client.socket.send(Buffer.from(text, 'latin1'), { fin });
      await client.closed;
      expect(client.text(1)).to.equal('abcd');
    });

    it('ends without a status at a frame above 32 MiB', async () => {
      const { client } = await open('cat');
      client.socket.send(Buffer.alloc(32 * 1024 * 1024 + 1));
      expect(await client.closed).to.equal(1006);
      expect(client.text(3)).to.equal('');
    });

    it('ends stdin at a CLOSE in v5, ends at an invalid CLOSE, and ignores CLOSE in v4', async () => {
      const { client } = await open('cat', {}, { protocol: 'v5' });
      await client.type('abc');
      client.socket.send(Buffer.from([255, 0]));
      expect([await client.closed, client.text(1)]).to.deep.equal([1000, 'abc']);
      await rig.quiet();
      const bad = await open('cat', {}, { protocol: 'v5' });
      bad.client.socket.send(Buffer.from([255, 0, 0]));
      expect(await bad.client.closed).to.equal(1006);
      await rig.quiet();
      const old = await open('head -c 1', {});
      old.client.socket.send(Buffer.from([255, 0]));
      await old.client.type('x');
      expect([await old.client.closed, old.client.text(1)]).to.deep.equal([1000, 'x']);
    });

    it('answers no ping while the command does not read earlier bytes', async () => {
      const { client, exec } = await open(`while [ ! -e ${folder}/go ]; do sleep 0.02; done; cat > /dev/null`);
      await client.type('x'.repeat(1_000_000));
      client.socket.ping();
      await until('all bytes were sent', () => client.socket.bufferedAmount === 0);
      await sleep(50);
      expect([exec.pings, client.pongs]).to.deep.equal([0, 0]);
      await writeFile(join(folder, 'go'), '');
      await until('the ping is answered', () => client.pongs === 1);
      client.socket.terminate();
    });

    it('ends the input of the command when the client is lost, and nothing else', async () => {
      const { client } = await open(`cat > ${folder}/input; echo "$?" > ${folder}/ended`);
      await client.type('all that came');
      await until('the bytes arrived', async () => (await rig.exec(0)).bytesToPod === 13);
      client.socket.terminate();
      await rig.quiet();
      expect(await readFile(join(folder, 'input'), 'utf8')).to.equal('all that came');
      expect(await readFile(join(folder, 'ended'), 'utf8')).to.equal('0\n');
    });
  });

  context('when its plan has faults', () => {
    for (const [name, by, code] of [
      ['a reset', reset, 1006],
      ['a FIN', fin, 1006],
      ['a close with 1011', close(1011), 1011],
    ] as const) {
      it(`cuts by ${name} after an exact number of bytes, to the pod and from the pod`, async () => {
        const up = await open(`cat > ${folder}/cut`, cutToPod(70_000, by));
        await up.client.type('x'.repeat(200_000));
        expect(await up.client.closed).to.equal(code);
        await up.exec.over;
        expect((await stat(join(folder, 'cut'))).size).to.equal(70_000);
        await rig.quiet();
        const down = await open('head -c 200000 /dev/zero; cat', cutFromPod(70_000, by));
        expect(await down.client.closed).to.equal(code);
        expect(down.exec.bytesFromPod).to.equal(70_000);
        // A reset may overtake bytes that were sent before it.
        if (by !== reset) expect(down.client.text(1)).to.have.length(70_000);
      });
    }

    it('ends an input early, and reports success for a truncated output', async () => {
      const up = await open('wc -c', { toPod: { after: [[10, earlyEnd]] } });
      await up.client.type('x'.repeat(1000));
      expect([await up.client.closed, up.client.text(1).trim()]).to.deep.equal([1000, '10']);
      await rig.quiet();
      const down = await open('head -c 1000 /dev/zero; cat', { fromPod: { after: [[10, earlySuccess]] } });
      expect([
        await down.client.closed,
        down.client.text(1).length,
        JSON.parse(down.client.text(3)).status,
      ]).to.deep.equal([1000, 10, 'Success']);
    });

    it('inverts a byte, and drops, duplicates and swaps messages', async () => {
      const flipped = await open('cat', { toPod: { flipByte: 2, after: [[5, earlyEnd]] } });
      await flipped.client.type('aaaaa');
      await flipped.client.closed;
      expect(flipped.client.text(1)).to.equal('aa\x9eaa');
      for (const [messages, left] of [
        [{ drop: 1 }, 'acd'],
        [{ duplicate: 1 }, 'abbcd'],
        [{ swapWithNext: 1 }, 'acbd'],
      ] as const) {
        await rig.quiet();
        const { client } = await open(`head -c ${left.length}`, { toPod: { messages } });
        for (const text of ['a', 'b', 'c', 'd']) await client.type(text);
        await client.closed;
        expect(client.text(1), JSON.stringify(messages)).to.equal(left);
      }
    });

    it('sends a wrong status, sends no status, and keeps the connection open', async () => {
      const lost = await open('exit 0', { status: [] });
      expect([await lost.client.closed, lost.client.text(3)]).to.deep.equal([1000, '']);
      await rig.quiet();
      const { client } = await open('exit 0', { status: ['{"sta', 'tus"'], ending: 'open' });
      await until('both parts arrived', () => client.text(3) === '{"status"');
      expect(client.socket.readyState).to.equal(WebSocket.OPEN);
      client.socket.terminate();
    });
  });

  context('when it is a TCP proxy', () => {
    it('passes all bytes, optionally in pieces', async () => {
      proxy.plan({ up: { pieceBytes: 1 }, down: { pieceBytes: 7 } });
      const { client } = await open('head -c 500', {}, { port: proxy.port });
      await client.type('x'.repeat(500));
      expect([await client.closed, client.text(1)]).to.deep.equal([1000, 'x'.repeat(500)]);
    });

    it('cuts after a number of bytes, with a FIN or a reset to both ends', async () => {
      for (const by of [wireFin, wireReset]) {
        proxy.plan({ down: { after: [[1000, by]] } });
        const { client } = await open('head -c 5000 /dev/zero; cat', {}, { port: proxy.port });
        expect(await client.closed).to.equal(1006);
        await rig.quiet();
        expect(proxy.wires.at(-1)?.passedBytes[1]).to.equal(1000);
      }
    });

    it('drops one direction without an error', async () => {
      proxy.plan({ down: { after: [[1000, blackHole]] } });
      const { client, exec } = await open('head -c 5000 /dev/zero; wc -c >&2', {}, { port: proxy.port });
      await client.type('still here');
      await until('the bytes arrived', () => exec.bytesToPod === 10);
      expect(client.text(1).length).to.be.below(1000);
      expect(client.socket.readyState).to.equal(WebSocket.OPEN);
      proxy.wires.at(-1)?.reset();
    });

    it('limits the rate', async () => {
      proxy.plan({ up: { pieceBytes: 5_000, bytesPerSecond: 100_000 } });
      const { client } = await open('head -c 30000 | wc -c', {}, { port: proxy.port });
      const start = performance.now();
      await client.type('x'.repeat(30_000));
      await client.closed;
      expect(performance.now() - start).to.be.above(250);
    });

    it('ends only idle connections', async () => {
      const idle = await open('cat', {}, { port: proxy.port });
      rig.plan({});
      const busy = new Client('cat', { port: proxy.port });
      await busy.type('a');
      await until('the echo arrived', () => busy.text(1) === 'a');
      proxy.cutIdle();
      await busy.type('b');
      await until('the echo arrived', () => busy.text(1) === 'ab');
      expect(proxy.cutIdle()).to.equal(1);
      expect(await idle.client.closed).to.equal(1006);
      expect(busy.socket.readyState).to.equal(WebSocket.OPEN);
      busy.socket.terminate();
    });
  });
});
