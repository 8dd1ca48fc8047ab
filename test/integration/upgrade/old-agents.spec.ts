import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';

import { AgentClient } from '../../../src/agent-client/agent-client.ts';
import { systemClock } from '../../../src/internal/system-clock.ts';
import { AgentProcess } from '../../support/agent/agent-process.ts';
import { PipeConnection } from '../../support/pipe-connection.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { readTar, tarOf } from '../../support/tar.ts';

/**
 * An agent of an earlier version of the library. Pods keep their agents while hosts are upgraded.
 */
const agentOf = (protocol: number): string =>
  join(import.meta.dirname, `../../fixtures/agent-protocol-${protocol}/linux-x64/agent`);

for (const protocol of [1, 2, 3])
  describe(`this library with an agent of protocol ${protocol}`, () => {
    const oldAgent = agentOf(protocol);
    let agent: AgentProcess;
    let client: AgentClient;

    before(async function () {
      if (process.arch !== 'x64') {
        console.log(`      skipped: the old agent is kept for x64 only, this is ${process.arch}`);
        this.skip();
      }
      agent = await AgentProcess.start({ binary: oldAgent });
      client = new AgentClient({
        connect: () => Promise.resolve(new PipeConnection(oldAgent, agent.folder)),
        clock: systemClock(),
        logger: silentLogger,
        podName: 'pod',
        handle: 'box',
      });
    });

    after(async () => {
      (client as AgentClient | undefined)?.close();
      await (agent as AgentProcess | undefined)?.[Symbol.asyncDispose]();
    });

    it(`uses protocol ${protocol}`, async () => {
      expect((await client.hello()).protocol).to.equal(protocol);
    });

    it('starts a command once, sends its stdin, and delivers its output from any offset and its result', async () => {
      const args: [string, ...string[]] = ['sh', '-c', 'cat; echo err >&2; exit 3'];
      const spec = { processId: 'p', args, stdin: true, specDigest: 'a'.repeat(64) };
      expect(await client.start(spec)).to.deep.equal({ started: true });
      const kept = protocol < 3 ? {} : { specDigest: spec.specDigest };
      expect(await client.start({ ...spec, specDigest: 'b'.repeat(64) })).to.deep.equal({ started: false, ...kept });
      const read = async (from: number, stdin?: string) => {
        const output = { stdout: '', stderr: '' };
        const sink = (stream: 'stdout' | 'stderr') => (chunk: Uint8Array) => {
          output[stream] += Buffer.from(chunk).toString();
        };
        const spec = { processId: 'p', from: { stdout: from, stderr: 0 }, stdin: stdin !== undefined };
        const attachment = await client.attach(spec, { stdout: sink('stdout'), stderr: sink('stderr') });
        if (stdin !== undefined) {
          await attachment.sendStdin(Buffer.from(stdin));
          await attachment.endStdin();
        }
        return { result: await attachment.result, output };
      };
      const first = await read(0, 'hello');
      expect(first.result).to.include({ exitStatus: 3, stdoutBytes: 5, outputCut: false });
      expect(first.output).to.deep.equal({ stdout: 'hello', stderr: 'err\n' });
      expect((await read(3)).output).to.deep.equal({ stdout: 'lo', stderr: 'err\n' });
    });

    it('stops, signals and resizes a command, and rejects an unknown one', async () => {
      const script = 'trap "" TERM; echo ready; while :; do sleep 0.05; done';
      await client.start({ processId: 'deaf', args: ['sh', '-c', script], tty: { columns: 80, rows: 24 } });
      const ready = Promise.withResolvers<void>();
      const attachment = await client.attach({ processId: 'deaf' }, { stdout: () => ready.resolve() });
      await ready.promise;
      await attachment.detach();
      await client.resize('deaf', { columns: 100, rows: 50 });
      await client.signal('deaf', 18);
      expect(await client.stop('deaf', 100)).to.include({ exitStatus: 137, signal: 9 });
      expect((await client.status()).processes.length).to.be.greaterThan(0);
      expect((await rejection(client.attach({ processId: 'none' }, {}))).code).to.equal('KW_ERR_PROCESS_NOT_FOUND');
      expect((await rejection(client.start({ processId: 'x', args: ['no-such-program'] }))).code).to.equal(
        'KW_ERR_EXECUTABLE_NOT_FOUND',
      );
    });

    it('transfers archives in, out and between pods, with verified digests', async () => {
      const content = randomBytes(3_000_000);
      const archive = await tarOf({ 'a/b.bin': content });
      const up = await client.receive({ volume: 'v' }, Readable.from([archive]));
      expect(up).to.include({ bytes: archive.byteLength, sha256: createHash('sha256').update(archive).digest('hex') });
      await client.copy({ from: 'v', to: 'w' });
      const { readable, completed } = await client.send({ volume: 'w' });
      const bytes = await buffer(readable);
      expect(await client.digest({ volume: 'w' })).to.deep.equal(await completed);
      expect((await readTar(bytes)).get('a/b.bin')!.content.equals(content)).to.equal(true);
      expect((await rejection(client.send({ volume: 'none' }))).code).to.equal('KW_ERR_VOLUME_NOT_FOUND');
      await client.remove({ volume: 'v' });
    });
  });
