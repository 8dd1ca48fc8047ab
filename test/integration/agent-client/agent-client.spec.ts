import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';

import { AgentClient, type AgentClientOptions } from '../../../src/agent-client/agent-client.ts';
import type { Attachment } from '../../../src/agent-client/process/attachment.ts';
import { ConnectionLimits } from '../../../src/agent-client/session/connection-limits.ts';
import { ExecConnectionLostError, HeartbeatTimeoutError } from '../../../src/errors/connection.ts';
import { systemClock } from '../../../src/internal/system-clock.ts';
import type { Clock } from '../../../src/runtime/options.ts';
import { AgentProcess, agentBinary, until } from '../../support/agent/agent-process.ts';
import { PipeConnection, type PipeFaults } from '../../support/pipe-connection.ts';
import { rejection } from '../../support/rejection.ts';
import { seededRandom, testSeed } from '../../support/seeded-random.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { readTarText, tarOf } from '../../support/tar.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

describe('AgentClient with a real agent', () => {
  let agent: AgentProcess;
  let connections: PipeConnection[];
  let clients: AgentClient[];
  let clock: Clock;
  let limits: ConnectionLimits;
  let escaped: unknown[];
  const onEscaped = (reason: unknown): void => {
    escaped.push(reason);
  };

  before(async () => {
    agent = await AgentProcess.start();
  });

  after(async () => {
    await agent[Symbol.asyncDispose]();
  });

  beforeEach(() => {
    connections = [];
    clients = [];
    clock = systemClock();
    limits = new ConnectionLimits();
    escaped = [];
    process.on('unhandledRejection', onEscaped);
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    for (const connection of connections) await connection.gone();
    process.off('unhandledRejection', onEscaped);
    expect(escaped).to.deep.equal([]);
  });

  /** Returns a client. `faults` apply to its first connections, in order. */
  function connect(options: AgentClientOptions = {}, ...faults: PipeFaults[]): AgentClient {
    const client = new AgentClient({
      connect: () => {
        const connection = new PipeConnection(agentBinary(), agent.folder, faults.shift());
        connections.push(connection);
        return Promise.resolve(connection);
      },
      clock,
      logger: silentLogger,
      podName: 'pod',
      handle: 'box',
      limits,
      options,
    });
    clients.push(client);
    return client;
  }

  const volumeFile = (volume: string, path: string): string => join(agent.folder, 'volumes', volume, 'data', path);

  const random = seededRandom(testSeed());

  /** Text and noise, so that only some frames are compressed. */
  const large = Buffer.concat(
    Array.from({ length: 24 }, (_, index) =>
      index % 2 === 0 ? randomBytes(500_000) : Buffer.alloc(500_000, `text ${index} `),
    ),
  );

  it('exchanges HELLO', async () => {
    expect(await connect().hello()).to.deep.include({ protocol: 4, uid: process.getuid?.() ?? -1 });
  });

  it('transfers an archive in and out again, byte for byte, for any chunks', async () => {
    const client = connect({}, { splitBytes: 4099 });
    const archive = await tarOf({ 'a/large': large, 'b.txt': 'text' });
    const up = await client.receive({ volume: 'whole' }, Readable.from([archive]));
    expect(up).to.include({ bytes: archive.length, entries: 2, expandedBytes: large.length + 4 });
    expect((await readFile(volumeFile('whole', 'a/large'))).equals(large)).to.equal(true);
    const digests = [];
    for (const turn of [1, 2]) {
      const { kind, readable, completed } = await client.send({ volume: 'whole' });
      expect(kind).to.equal('directory');
      const bytes = await buffer(readable);
      digests.push((await completed).sha256);
      if (turn === 1) expect((await readTarText(bytes))['b.txt']).to.equal('text');
    }
    expect(digests[0]).to.equal(digests[1]);
    expect(connections).to.have.length(1);
  });

  it('transfers many small chunks, with windows smaller than a frame', async () => {
    const client = connect({ downloadWindowBytes: 10_000 });
    const archive = await tarOf({ a: large.subarray(0, 300_000) });
    await client.receive(
      { volume: 'small' },
      (async function* () {
        for (let at = 0; at < archive.length; at += 100) yield archive.subarray(at, at + 100);
      })(),
    );
    const { readable } = await client.send({ volume: 'small', path: 'a' });
    expect(Buffer.from((await readTarText(await buffer(readable)))['a'] ?? '')).to.have.length.greaterThan(0);
  });

  context('when an upload fails', () => {
    /** Checks that the volume is unchanged, and that the connection accepts the next operation. */
    async function unharmed(client: AgentClient, volume: string): Promise<void> {
      const { readable } = await client.send({ volume });
      expect(await readTarText(await buffer(readable))).to.deep.equal({ before: 'kept' });
    }

    async function prepared(volume: string, ...faults: PipeFaults[]): Promise<AgentClient> {
      const first = connect();
      await first.receive({ volume }, Readable.from([await tarOf({ before: 'kept' })]));
      first.close();
      return connect({}, ...faults);
    }

    it('by its source, leaves the volume unchanged', async () => {
      const client = await prepared('broken-source');
      const archive = await tarOf({ before: 'changed', large });
      const broken = new Error('disk');
      const source = (async function* () {
        yield archive.subarray(0, 5_000_000);
        throw broken;
      })();
      expect(await rejection(client.receive({ volume: 'broken-source' }, source))).to.equal(broken);
      await unharmed(client, 'broken-source');
      expect(connections).to.have.length(2);
    });

    it('by a signal, leaves the volume unchanged', async () => {
      const client = await prepared('aborted');
      const archive = await tarOf({ before: 'changed', large });
      const stop = new AbortController();
      const source = (async function* () {
        yield archive.subarray(0, 5_000_000);
        stop.abort(new Error('stopped'));
        yield archive.subarray(5_000_000);
      })();
      expect(
        (await rejection(client.receive({ volume: 'aborted' }, source, { signal: stop.signal }))).message,
      ).to.equal('stopped');
      await unharmed(client, 'aborted');
    });

    it('by its content, rejects early and leaves the volume unchanged', async () => {
      const client = await prepared('corrupt');
      let yielded = 0;
      const source = (async function* () {
        for (; yielded < 4000; yielded += 1) yield Buffer.alloc(65_536, 'no archive');
      })();
      expect((await rejection(client.receive({ volume: 'corrupt' }, source))).code).to.equal('KW_ERR_CORRUPT_ARCHIVE');
      expect(yielded).to.be.below(400);
      await unharmed(client, 'corrupt');
      const tooLarge = client.receive(
        { volume: 'corrupt', expandedLimitBytes: 1000 },
        Readable.from([await tarOf({ before: 'changed', large })]),
      );
      expect(await rejection(tooLarge)).to.include({ code: 'KW_ERR_ARTIFACT_TOO_LARGE', limitBytes: 1000 });
      await unharmed(client, 'corrupt');
    });

    it('by a killed agent, rejects with OperationLostError for a read-once source and leaves the volume unchanged', async () => {
      const client = await prepared('killed');
      const archive = await tarOf({ before: 'changed', large });
      const source = (async function* () {
        yield archive.subarray(0, 11_000_000);
        await agent.killAndRestart();
        yield archive.subarray(11_000_000);
      })();
      const failure = await rejection(client.receive({ volume: 'killed' }, source));
      expect(failure).to.include({
        code: 'KW_ERR_OPERATION_LOST',
        retryable: true,
        handle: 'killed',
        podName: 'pod',
        direction: 'in',
      });
      await unharmed(connect(), 'killed');
    });
  });

  context('when connections are cut', () => {
    it('resumes an upload of a read-once source', async () => {
      const archive = await tarOf({ large });
      const cuts = [1, 200, 500, 300_000, 5_000_000, 5_000_000 + Math.floor(random() * 1_000_000)];
      const client = connect({}, ...cuts.map((cutAfterSentBytes) => ({ cutAfterSentBytes })));
      const result = await client.receive({ volume: 'cut-up' }, Readable.from([archive]));
      expect(result).to.include({ bytes: archive.length, sha256: createHash('sha256').update(archive).digest('hex') });
      expect((await readFile(volumeFile('cut-up', 'large'))).equals(large)).to.equal(true);
      expect(connections.length).to.be.above(4);
      await expectIdleAgent(connect());
    });

    it('resumes a download without lost or repeated bytes', async () => {
      await connect().receive({ volume: 'cut-down' }, Readable.from([await tarOf({ large })]));
      const whole = await buffer((await connect().send({ volume: 'cut-down' })).readable);
      const cuts = [300, 1000, 100_000, 2_000_000, 3_000_000, Math.floor(random() * 1_000_000)];
      const client = connect({}, ...cuts.map((cutAfterReceivedBytes) => ({ cutAfterReceivedBytes })));
      const { readable, completed } = await client.send({ volume: 'cut-down' });
      expect((await buffer(readable)).equals(whole)).to.equal(true);
      expect((await completed).bytes).to.equal(whole.length);
      await expectIdleAgent(connect());
    });

    it('restarts a small upload after the agent was killed', async () => {
      const client = connect();
      const archive = await tarOf({ small: 'small' });
      const source = (async function* () {
        yield archive.subarray(0, 600);
        await agent.killAndRestart();
        yield archive.subarray(600);
      })();
      expect(await client.receive({ volume: 'anew' }, source)).to.include({ bytes: archive.length });
      expect(await readFile(volumeFile('anew', 'small'), 'utf8')).to.equal('small');
    });
  });

  context('when a download', () => {
    before(async () => {
      await mkdir(join(agent.folder, 'volumes/out/data'), { recursive: true });
      await writeFile(volumeFile('out', 'large'), large);
    });

    it('is destroyed early, ends it in the agent and keeps the connection', async () => {
      const client = connect();
      const { readable } = await client.send({ volume: 'out' });
      for await (const _ of readable) break;
      await expectIdleAgent(connect());
      await until('the client has ended it', () => limits.places().download.used === 0);
      await client.hello();
      expect(connections).to.have.length(2);
    });

    it('is not read for a while, receives no more than its window', async () => {
      const client = connect({ downloadWindowBytes: 1 << 20 });
      const { readable } = await client.send({ volume: 'out', path: 'large' });
      await expectIdleAgent(connect(), 1);
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(connections[0]?.receivedBytes).to.be.below((1 << 20) + 10_000);
      expect((await readTarText(await buffer(readable)))['large']?.length).to.be.greaterThan(0);
    });

    it('loses its agent, fails without an end', async () => {
      const client = connect({ downloadWindowBytes: 1 << 20 });
      const { readable } = await client.send({ volume: 'out' });
      readable.once('data', () => void agent.killAndRestart());
      const failure = await rejection(buffer(readable));
      expect(failure).to.include({ code: 'KW_ERR_OPERATION_LOST', retryable: true, handle: 'out', direction: 'out' });
    });

    it('is of a missing path, rejects with a typed error', async () => {
      const client = connect();
      expect(await rejection(client.send({ volume: 'out', path: 'missing' }))).to.include({
        code: 'KW_ERR_FILE_NOT_FOUND',
        path: 'missing',
      });
      expect((await rejection(client.send({ volume: 'nowhere' }))).code).to.equal('KW_ERR_VOLUME_NOT_FOUND');
      expect((await rejection(client.send({ volume: 'out', path: '../x' }))).code).to.equal(
        'KW_ERR_UNSAFE_ARCHIVE_PATH',
      );
    });
  });

  async function expectIdleAgent(client: AgentClient, operations = 0): Promise<void> {
    // The status operation itself may count as one.
    await until('operations end', async () => (await client.status()).operations <= operations + 1);
  }

  context('when it runs a process', () => {
    interface Followed {
      readonly attachment: Attachment;
      readonly stdout: () => string;
      readonly stderr: () => string;
    }

    async function follow(
      client: AgentClient,
      processId: string,
      from = { stdout: 0, stderr: 0 },
      stdin = false,
    ): Promise<Followed> {
      const out: Uint8Array[] = [];
      const err: Uint8Array[] = [];
      const attachment = await client.attach(
        { processId, from, stdin },
        { stdout: (chunk) => void out.push(chunk), stderr: (chunk) => void err.push(chunk) },
      );
      return { attachment, stdout: () => Buffer.concat(out).toString(), stderr: () => Buffer.concat(err).toString() };
    }

    it('runs it once, delivers its output streams separately, and keeps its result', async () => {
      const client = connect();
      const spec = {
        processId: 'once',
        args: ['sh', '-c', 'echo "$A"; echo err >&2; pwd; exit 3'],
        env: ['A=ä'],
        dir: '/tmp/kw-once',
      } as const;
      expect(await client.start(spec)).to.deep.equal({ started: true });
      expect(await client.start(spec)).to.deep.equal({ started: false });
      for (const _ of [1, 2]) {
        const { attachment, stdout, stderr } = await follow(client, 'once');
        expect(await attachment.result).to.include({
          exitStatus: 3,
          signal: undefined,
          stdoutBytes: 'ä\n/tmp/kw-once\n'.length + 1,
          stderrBytes: 4,
        });
        expect([stdout(), stderr()]).to.deep.equal(['ä\n/tmp/kw-once\n', 'err\n']);
      }
    });

    it('sends more than a window of stdin, and receives it again', async () => {
      const client = connect();
      await client.start({ processId: 'cat', args: ['cat'], stdin: true });
      const out: Uint8Array[] = [];
      const attachment = await client.attach(
        { processId: 'cat', stdin: true },
        { stdout: async (chunk) => void out.push(chunk) },
      );
      for (let at = 0; at < large.length; at += 1_000_000)
        await attachment.sendStdin(large.subarray(at, at + 1_000_000));
      await attachment.endStdin();
      expect((await attachment.result).exitStatus).to.equal(0);
      expect(Buffer.concat(out).equals(large)).to.equal(true);
      expect(attachment.stdinAcknowledged).to.be.within(large.length - (1 << 20), large.length);
    });

    it('resumes over another connection without lost or repeated bytes', async () => {
      await connect().start({
        processId: 'reconnect',
        args: ['sh', '-c', 'i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done'],
      });
      const out: Uint8Array[] = [];
      let from = { stdout: 0, stderr: 0 };
      for (let attempt = 1; ; attempt += 1) {
        const client = connect({}, attempt < 6 ? { cutAfterReceivedBytes: 20_000 * attempt } : {});
        const attachment = await client.attach(
          { processId: 'reconnect', from, attempt },
          { stdout: (chunk) => void out.push(chunk) },
        );
        const ended = await attachment.result.catch((error: unknown) => error);
        from = { stdout: attachment.position.stdoutBytes, stderr: attachment.position.stderrBytes };
        if (!(ended instanceof Error)) break;
        expect(ended).to.be.instanceOf(ExecConnectionLostError);
      }
      expect(Buffer.concat(out).toString()).to.equal(
        Array.from({ length: 20_000 }, (_, index) => `line ${index}\n`).join(''),
      );
    });

    it('runs a hundred short processes over fewer connections, and as many long ones concurrently', async () => {
      const client = connect();
      const ids = Array.from({ length: 100 }, (_, index) => `short-${index}`);
      const run = async (processId: string, args: [string, ...string[]]) => {
        await client.start({ processId, args });
        return await (await client.attach({ processId }, {})).result;
      };
      const results = await Promise.all(ids.map((id) => run(id, ['true'])));
      expect(results.map(({ exitStatus }) => exitStatus)).to.deep.equal(ids.map(() => 0));
      // Each of the starts and of the attachments would otherwise have its own.
      expect(connections.length).to.be.below(2 * ids.length);
      const long = ids.slice(0, 20).map((id) => run(`long-${id}`, ['sh', '-c', 'sleep 0.5; exit 3']));
      for (const { exitStatus } of await Promise.all(long)) expect(exitStatus).to.equal(3);
    });

    it('stops it, signals it, and rejects invalid commands with typed errors', async () => {
      const client = connect();
      await client.start({ processId: 'sleep', args: ['sleep', '100'] });
      const { attachment } = await follow(client, 'sleep');
      attachment.stop(1000);
      expect(await attachment.result).to.include({ exitStatus: 143, signal: 15 });
      expect(await client.stop('sleep', 1)).to.include({ exitStatus: 143 });
      await client.start({ processId: 'killed', args: ['sleep', '100'] });
      await client.signal('killed', 9);
      expect(await (await follow(client, 'killed')).attachment.result).to.include({ exitStatus: 137, signal: 9 });
      for (const [changes, code] of [
        [{ args: ['no-such-program'] }, 'KW_ERR_EXECUTABLE_NOT_FOUND'],
        [{ args: ['true'], user: 'no-such-user' }, 'KW_ERR_USER_NOT_FOUND'],
        [{ args: ['true'], dir: '/dev/null/x' }, 'KW_ERR_WORKING_DIRECTORY'],
      ] as const)
        expect((await rejection(client.start({ processId: 'failed', ...changes }))).code).to.equal(code);
      expect((await rejection(client.attach({ processId: 'failed' }, {}))).code).to.equal('KW_ERR_PROCESS_NOT_FOUND');
      await client.remove({ processId: 'sleep' });
      expect((await client.status()).processes.map(({ id }) => id)).not.to.include('sleep');
    });

    it('detaches and reuses the connection, and a slow sink blocks only its own stream', async () => {
      const client = connect({ outputWindowBytes: 100_000 });
      await client.start({
        processId: 'both',
        args: ['sh', '-c', 'head -c 5000000 /dev/zero & head -c 500000 /dev/zero >&2; wait'],
      });
      let errBytes = 0;
      let done: (() => void) | undefined;
      const stderrDone = new Promise<void>((resolve) => (done = resolve));
      const attachment = await client.attach(
        { processId: 'both' },
        {
          stdout: () => new Promise(() => undefined),
          stderr: (chunk) => {
            errBytes += chunk.length;
            if (errBytes === 500_000) done?.();
          },
        },
      );
      await stderrDone;
      expect(attachment.position).to.deep.equal({ stdoutBytes: 0, stderrBytes: 500_000 });
      await client.stop('both', 100);
      client.close();
    });
  });

  it('detects a silent connection', async () => {
    const virtual = new VirtualClock();
    clock = virtual;
    const client = connect({ pingAfterMs: 10_000, deadAfterMs: 60_000 });
    await client.start({ processId: 'silent', args: ['sleep', '600'] });
    const attachment = await client.attach({ processId: 'silent' }, {});
    const ended = rejection(attachment.result);
    const connection = connections.at(-1)!;
    for (let ping = 0; ping < 12; ping += 1) {
      const { sentBytes, receivedBytes } = connection;
      while (connection.sentBytes === sentBytes) await virtual.advance(1_000);
      await until('the agent has answered', () => connection.receivedBytes > receivedBytes);
    }
    connection.stall();
    await virtual.advance(70_000);
    expect(await ended).to.be.instanceOf(HeartbeatTimeoutError);
    clock = systemClock();
    await connect().stop('silent', 100);
  });

  it('reconnects after the agent was killed', async () => {
    const client = connect();
    await client.start({ processId: 'lost', args: ['sleep', '100'] });
    const attachment = await client.attach({ processId: 'lost' }, {});
    const { incarnation } = await client.hello();
    await agent.killAndRestart();
    expect(await rejection(attachment.result)).to.be.instanceOf(ExecConnectionLostError);
    expect((await client.hello()).incarnation).not.to.equal(incarnation);
    const attachedAgain = client.attach({ processId: 'lost' }, {}).then(({ result }) => result);
    expect((await rejection(attachedAgain)).code).to.equal('KW_ERR_OUTCOME_UNKNOWN');
  });
});
