import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { failureOf, type Json, Receiver } from '../../support/agent/agent-connection.ts';
import { withAgent } from '../../support/agent/agent-fixture.ts';
import {
  decodeData,
  decodeEnd,
  decodeWindow,
  encodeData,
  encodeEnd,
  encodeFrame,
  encodeJson,
  frameType,
  sha256,
} from '../../support/agent/agent-frames.ts';
import { exists, until } from '../../support/agent/agent-process.ts';
import { overfeed } from '../../support/agent/overfed-stdin.ts';

describe('attaching to a process', () => {
  const agent = withAgent();

  it('replays the output from the start, from an offset, and from now', async () => {
    await agent.connection.run('replay', ['sh', '-c', 'printf 0123456789; printf abc >&2']);
    expect((await agent.connection.attach('replay')).stdout.toString()).to.equal('0123456789');
    const part = await agent.connection.attach('replay', { from: { stdout: 4, stderr: 1 } });
    expect([part.stdout.toString(), part.stderr.toString()]).to.deep.equal(['456789', 'bc']);
    expect(part.opened).to.deep.include({ ended: true, stdin: null });
    expect(part.opened['stdout']).to.deep.equal({ from: 4, first: 0, end: 10 });
    const now = await agent.connection.attach('replay', { from: { stdout: -1, stderr: -1 } });
    expect([now.stdout.length, now.stderr.length]).to.deep.equal([0, 0]);
    expect((await failureOf(agent.connection.attach('replay', { from: { stdout: 11 } }))).code).to.equal(
      'INVALID_SPEC',
    );
  });

  it('delivers no output to an attachment without output', async () => {
    await agent.connection.start('quiet', ['echo', 'x']);
    agent.connection.open({ op: 'attach', process: 'quiet', output: false });
    await agent.connection.expect(frameType.opened);
    expect((await agent.connection.expectJson(frameType.result))['stdoutBytes']).to.equal(2);
  });

  it('serves many attachments at once, each with all output', async () => {
    await agent.connection.start('many', ['sh', '-c', 'for i in 1 2 3 4 5; do echo line $i; sleep 0.05; done']);
    const others = await Promise.all(Array.from({ length: 8 }, () => agent.connect()));
    const outputs = await Promise.all(others.map((other) => other.attach('many')));
    for (const { stdout } of outputs) expect(stdout.toString()).to.equal('line 1\nline 2\nline 3\nline 4\nline 5\n');
    for (const other of others) other.destroy();
  });

  it('rejects an id that was never started', async () => {
    expect((await failureOf(agent.connection.attach('never'))).code).to.equal('PROCESS_NOT_FOUND');
  });

  it('delivers a line immediately', async () => {
    await agent.connection.start('line', ['cat'], { stdin: true });
    agent.connection.open({ op: 'attach', process: 'line', stdin: true });
    await agent.connection.expect(frameType.opened);
    agent.connection.window(1, 0, 1_000_000);
    await agent.connection.expect(frameType.window);
    let sent = 0;
    // A machine that is busy slows some of the echoes, a delay of the agent slows each.
    await until('an echo takes less than 20 ms', async () => {
      const before = performance.now();
      agent.connection.write(encodeData(0, sent++, Buffer.from('x')));
      while ((await agent.connection.next())?.type !== frameType.data);
      return performance.now() - before < 20;
    });
  });

  it('keeps 100,000 lines in order on both streams', async () => {
    const { stdout, stderr } = await agent.connection.run('lines', ['sh', '-c', 'seq 100000 & seq 100000 >&2; wait']);
    const expected = `${Array.from({ length: 100_000 }, (_, index) => index + 1).join('\n')}\n`;
    expect(stdout.toString() === expected).to.equal(true);
    expect(stderr.toString() === expected).to.equal(true);
  });

  it('compresses only data that becomes smaller', async () => {
    await agent.connection.run('zeros', ['head', '-c', '4000000', '/dev/zero']);
    await agent.connection.run('random', ['head', '-c', '4000000', '/dev/urandom']);
    for (const [id, compressed] of [
      ['zeros', true],
      ['random', false],
    ] as const) {
      agent.connection.open({ op: 'attach', process: id });
      const opened = await agent.connection.expectJson(frameType.opened);
      const receiver = new Receiver(agent.connection, 1, opened['stdout'] as Json);
      for (
        let frame = await agent.connection.next();
        frame?.type !== frameType.result;
        frame = await agent.connection.next()
      )
        if (frame?.type === frameType.data) receiver.take(decodeData(frame));
      agent.connection.done();
      expect(receiver.compressedFrames > receiver.frames / 2, id).to.equal(compressed);
    }
  });

  it('sends nothing beyond the window, and nothing before the first one', async () => {
    await agent.connection.start('window', ['sh', '-c', 'head -c 1000000 /dev/zero']);
    agent.connection.open({ op: 'attach', process: 'window' });
    await agent.connection.expect(frameType.opened);
    expect(await agent.connection.silent(50)).to.equal(true);
    agent.connection.window(1, 0, 1000);
    const first = decodeData(await agent.connection.expect(frameType.data));
    expect([first.offset, first.raw.length]).to.deep.equal([0, 1000]);
    expect(await agent.connection.silent(50)).to.equal(true);
    agent.connection.window(1, 1000, 1500);
    expect(decodeData(await agent.connection.expect(frameType.data)).raw.length).to.equal(500);
    agent.connection.write(encodeFrame(frameType.cancel));
    expect((await agent.connection.expectJson(frameType.error))['code']).to.equal('CANCELLED');
    agent.connection.done();
    expect((await agent.connection.attach('window')).stdout.length).to.equal(1_000_000);
  });

  it('treats a window that decreases or acknowledges too much as a protocol violation', async () => {
    await agent.connection.start('back', ['sleep', '600']);
    for (const [acknowledged, limit] of [
      [0, 500],
      [1, 2000],
    ] as const) {
      const other = await agent.connect();
      other.open({ op: 'attach', process: 'back' });
      await other.expect(frameType.opened);
      other.window(1, 0, 1000);
      other.window(1, acknowledged, limit);
      expect((await other.expectJson(frameType.error))['code']).to.equal('PROTOCOL_VIOLATION');
      other.destroy();
    }
    await agent.connection.call({ op: 'stop', process: 'back', graceMs: 1000 });
  });

  it('blocks a command while too much output is unacknowledged, and frees output that a host has stored', async () => {
    const total = 48 * 1024 * 1024;
    const limit = 4 * 1024 * 1024;
    await agent.connection.start('pressure', ['head', '-c', String(total), '/dev/zero'], {
      unackedLimitBytes: limit,
      retainBytes: 1024,
    });
    agent.connection.open({ op: 'attach', process: 'pressure', output: true });
    await agent.connection.expect(frameType.opened);
    const held = async (): Promise<number> => {
      const other = await agent.connect();
      other.open({ op: 'attach', process: 'pressure', output: false });
      const stdout = (await other.expectJson(frameType.opened))['stdout'] as Json;
      other.destroy();
      return Number(stdout['end']);
    };
    await until('the limit is reached', async () => (await held()) === limit);
    await sleep(50);
    expect(await held()).to.equal(limit);
    let offset = 0;
    agent.connection.window(1, 0, 4 * 1024 * 1024, true);
    for (
      let frame = await agent.connection.next();
      frame?.type !== frameType.result;
      frame = await agent.connection.next()
    ) {
      if (frame?.type !== frameType.data) continue;
      offset += decodeData(frame).raw.length;
      agent.connection.window(1, offset, offset + 4 * 1024 * 1024, true);
    }
    agent.connection.done();
    expect(offset).to.equal(total);
    const segments = (await readdir(join(agent.folder, 'agent/processes/pressure'))).filter((name) =>
      name.startsWith('stdout.'),
    );
    expect(segments.length).to.be.below(3);
    const late = await agent.connection.attach('pressure');
    const { first, from } = late.opened['stdout'] as { first: number; from: number };
    expect(first).to.be.above(total / 2);
    expect(from).to.equal(first);
    expect(late.stdout.length).to.equal(total - first);
  });

  it('keeps the content of a terminal or a pipe when a blocked command ends', async () => {
    for (const tty of [undefined, { columns: 80, rows: 24 }]) {
      const id = tty === undefined ? 'waiting-pipe' : 'waiting-terminal';
      await agent.connection.start(id, ['sh', '-c', "head -c 10000 /dev/zero | tr '\\0' x"], {
        tty,
        unackedLimitBytes: 4096,
      });
      const record = join(agent.folder, 'agent/processes', id);
      await until(
        'the command has ended',
        async () => (await exists(join(record, 'exit'))) || (await exists(join(record, 'result'))),
      );
      expect((await agent.connection.attach(id)).stdout.length, id).to.equal(10_000);
    }
  });

  it('reports OUTPUT_FREED to a slow reader after another has stored the output, and the reader continues at the first available offset', async () => {
    const total = 40 * 1024 * 1024;
    await agent.connection.start('behind', ['sh', '-c', `head -c ${total} /dev/zero; exec sleep 60`], {
      retainBytes: 1024,
    });
    const slow = await agent.connect();
    slow.open({ op: 'attach', process: 'behind' });
    await slow.expect(frameType.opened);
    slow.window(1, 0, 100);
    await slow.expect(frameType.data);
    agent.connection.open({ op: 'attach', process: 'behind' });
    await agent.connection.expect(frameType.opened);
    agent.connection.window(1, 0, total, true);
    for (let end = 0; end < total; ) {
      const { offset, raw } = decodeData(await agent.connection.expect(frameType.data));
      end = Number(offset) + raw.length;
      agent.connection.window(1, end, total, true);
    }
    slow.window(1, 100, total);
    let frame = await slow.next();
    while (frame?.type === frameType.data) frame = await slow.next();
    const error = JSON.parse(String(frame?.payload)) as Json;
    expect(error).to.include({ code: 'OUTPUT_FREED', path: 'stdout' });
    slow.done();
    const other = await agent.connect();
    await other.call({ op: 'stop', process: 'behind', graceMs: 1000 });
    const rest = await slow.attach('behind', { from: { stdout: Number(error['bytes']), stderr: 0 } });
    const { from, first } = rest.opened['stdout'] as { from: number; first: number };
    expect(from).to.equal(first).and.to.be.above(Number(error['bytes']));
    expect(rest.stdout.length).to.equal(total - from);
    for (const each of [slow, other]) each.destroy();
  });

  it('feeds stdin with backpressure, 8 MiB through cat', async () => {
    const bytes = Buffer.alloc(8 * 1024 * 1024, 'some input that is not all the same\n');
    const { stdout, result } = await agent.connection.run('cat', ['cat'], {}, bytes);
    expect(sha256(stdout).equals(sha256(bytes))).to.equal(true);
    expect(result['exitStatus']).to.equal(0);
  });

  it('accepts stdin for a command that never reads it only up to the window', async () => {
    await agent.connection.start('deaf', ['sleep', '600'], { stdin: true });
    agent.connection.open({ op: 'attach', process: 'deaf', stdin: true });
    await agent.connection.expect(frameType.opened);
    const { limit, error } = await overfeed(agent.connection);
    // What the agent holds, and what the pipe of the command holds.
    expect(limit).to.be.below(1024 * 1024 + 256 * 1024);
    expect(error['code']).to.equal('PROTOCOL_VIOLATION');
    const other = await agent.connect();
    await other.call({ op: 'stop', process: 'deaf', graceMs: 1000 });
    other.destroy();
  });

  it("continues stdin at the agent's offset", async () => {
    await agent.connection.start('resume', ['cat'], { stdin: true });
    agent.connection.open({ op: 'attach', process: 'resume', stdin: true });
    await agent.connection.expect(frameType.opened);
    await agent.connection.expect(frameType.window);
    agent.connection.write(encodeData(0, 0, Buffer.from('first ')));
    while (decodeWindow(await agent.connection.expect(frameType.window)).acknowledged < 6);
    agent.connection.destroy();
    const other = await agent.connect();
    other.open({ op: 'attach', process: 'resume', stdin: true, attempt: 2 });
    const opened = await other.expectJson(frameType.opened);
    expect(opened['stdin']).to.deep.equal({ from: 6, ended: false });
    await other.expect(frameType.window);
    other.write(encodeData(0, 6, Buffer.from('second')));
    other.write(encodeEnd(0, 12, sha256(Buffer.from('second'))));
    await other.bye();
    expect((await (await agent.connect()).attach('resume')).stdout.toString()).to.equal('first second');
  });

  it('rejects stdin with a wrong digest', async () => {
    await agent.connection.start('digest', ['cat'], { stdin: true });
    agent.connection.open({ op: 'attach', process: 'digest', stdin: true });
    await agent.connection.expect(frameType.opened);
    await agent.connection.expect(frameType.window);
    agent.connection.write(encodeData(0, 0, Buffer.from('x')));
    agent.connection.write(encodeEnd(0, 1, sha256(Buffer.from('y'))));
    let frame = await agent.connection.next();
    while (frame?.type === frameType.window) frame = await agent.connection.next();
    expect(JSON.parse(String(frame?.payload))).to.have.property('code', 'DIGEST_MISMATCH');
    agent.connection.done();
    await agent.connection.call({ op: 'stop', process: 'digest', graceMs: 1000 });
  });

  it('does not wait for a grandchild that holds the pipe, and does not kill it', async () => {
    const dir = join(agent.folder, 'grandchild');
    const script =
      '(until [ -e go ]; do sleep 0.02; done; echo late; echo later; echo survived >survived) & echo early';
    const { stdout, result } = await agent.connection.run('grandchild', ['sh', '-c', script], { dir });
    expect(stdout.toString()).to.equal('early\n');
    expect(result['exitStatus']).to.equal(0);
    await writeFile(join(dir, 'go'), '');
    await until('the grandchild writes on', async () => (await readdir(dir)).includes('survived'));
  });

  it('waits for a filter after the shell that is still writing', async () => {
    const script = '(for i in 1 2 3 4 5; do sleep 0.1; echo $i; done) & exit 3';
    let tries = 0;
    // A busy machine may suspend the filter for longer than the agent waits for further output.
    await until('all output has been awaited', async () => {
      const { stdout } = await agent.connection.run(`filter-${(tries += 1)}`, ['sh', '-c', script]);
      return stdout.toString() === '1\n2\n3\n4\n5\n';
    });
  });

  it('sets the size of a terminal, resizes it, and treats END as end of input', async () => {
    const script = 'trap "stty size" WINCH; stty size; while read line; do echo "got $line"; done; echo over';
    await agent.connection.start('tty', ['sh', '-c', script], { tty: { columns: 101, rows: 33 }, stdin: true });
    agent.connection.open({ op: 'attach', process: 'tty', stdin: true });
    const opened = await agent.connection.expectJson(frameType.opened);
    const receiver = new Receiver(agent.connection, 1, opened['stdout'] as Json);
    let text = '';
    let sent = 0;
    const step = (word: string, act: () => void): { word: string; act: () => void } => ({ word, act });
    const type = (line: string): void => {
      agent.connection.write(encodeData(0, sent, Buffer.from(line)));
      sent += line.length;
    };
    const steps = [
      step('33 101', () => agent.connection.write(encodeJson(frameType.resize, { columns: 120, rows: 40 }))),
      step('', () => type('one\n')),
      step('got one', () => agent.connection.write(encodeEnd(0, sent, sha256(Buffer.from('one\n'))))),
    ];
    for (
      let frame = await agent.connection.next();
      frame?.type !== frameType.result;
      frame = await agent.connection.next()
    ) {
      if (frame?.type === frameType.error) throw new Error(frame.payload.toString());
      if (frame?.type === frameType.end && decodeEnd(frame).stream === 1) receiver.end(decodeEnd(frame));
      if (frame?.type !== frameType.data) continue;
      const data = decodeData(frame);
      receiver.take(data);
      text += data.raw.toString();
      for (let next = steps[0]; next !== undefined && text.includes(next.word); next = steps[0]) {
        steps.shift();
        next.act();
      }
    }
    agent.connection.done();
    expect(text).to.contain('40 120');
    expect(text).to.match(/over\r\n$/);
  });

  it('forwards signals, by attachment and by operation', async () => {
    // The signals reach the group, so the shell reports each ended `sleep` on stderr.
    const script =
      'exec 2> /dev/null; trap "echo one" USR1; trap "echo two; exit 4" USR2; echo ready; while :; do sleep 0.02; done';
    await agent.connection.start('signals', ['sh', '-c', script]);
    agent.connection.open({ op: 'attach', process: 'signals' });
    await agent.connection.expect(frameType.opened);
    agent.connection.window(1, 0, 1000);
    agent.connection.window(2, 0, 1000);
    await agent.connection.expect(frameType.data);
    agent.connection.write(encodeJson(frameType.signal, { signal: 10 }));
    expect(decodeData(await agent.connection.expect(frameType.data)).raw.toString()).to.equal('one\n');
    const other = await agent.connect();
    expect(await other.call({ op: 'signal', process: 'signals', signal: 12 })).to.deep.equal({});
    other.destroy();
    let frame = await agent.connection.next();
    while (frame?.type !== frameType.result) frame = await agent.connection.next();
    expect(JSON.parse(frame.payload.toString())).to.include({ exitStatus: 4, signal: null });
  });
});
