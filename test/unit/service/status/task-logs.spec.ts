import { expect } from 'chai';

import { FakeContainer, FakeProcess, prints, scriptProcesses } from '../../../../fakes/index.ts';
import { OutputFreedError, type ProcessResult } from '../../../../src/index.ts';
import { TaskLogs } from '../../../../src/service/status/routes/task-logs.ts';
import { rejection } from '../../../support/rejection.ts';
import { StatusRig } from '../../../support/service/status-rig.ts';
import { settle } from '../../../support/virtual-clock.ts';

describe('The logs of a task', () => {
  let rig: StatusRig;
  let container: FakeContainer;
  /** Ends the command `slow`. */
  let end: PromiseWithResolvers<{ exitStatus: number }>;
  /** Prints more on the stdout of `slow`. */
  let print: (text: string) => void;

  beforeEach(async () => {
    rig = await StatusRig.create();
    container = new FakeContainer({ handle: 'c' });
    end = Promise.withResolvers();
    scriptProcesses(container, {
      done: prints({ stdout: 'one\ntwo\nthree\n', stderr: 'warning\n', exitStatus: 3 }),
      silent: prints(),
      slow: async ({ stdout }) => {
        stdout('first\n');
        print = stdout;
        return await end.promise;
      },
    });
    for (const id of ['done', 'silent']) await container.run({ id, path: id }, {});
    const slow = await container.run({ id: 'slow', path: 'slow' }, {});
    await slow[Symbol.asyncDispose]();
    await settle();
    const facts = { owner: { kind: 'k', key: 'k' }, podName: 'p', podUid: 'u', metadata: {}, createdAt: new Date() };
    rig.worker.listContainers.resolves({ containers: [{ handle: 'c', state: 'created', ...facts }] });
    rig.worker.lookupContainer.resolves(container);
  });

  const read = async (task: string, query = '') => (await rig.ask(`/api/v1/tasks/c:${task}/logs${query}`)).body;

  it('are all output so far, of one stream or of both', async () => {
    expect(await read('done', '?stream=stdout')).to.equal('one\ntwo\nthree\n');
    expect(await read('done', '?stream=stderr')).to.equal('warning\n');
    expect((await read('done')).length).to.equal('one\ntwo\nthree\nwarning\n'.length);
    expect(await read('slow')).to.equal('first\n');
    expect(await read('silent')).to.equal('');
  });

  it('are what follows an offset', async () => {
    expect(await read('done', '?stream=stdout&sinceBytes=4')).to.equal('two\nthree\n');
    expect(await read('done', '?stream=stdout&sinceBytes=1000')).to.equal('');
    const beyond = await rig.ask('/api/v1/tasks/c:done/logs?stream=stdout&sinceBytes=1000&follow');
    expect([beyond.status, beyond.body.message]).to.deep.equal([
      400,
      'sinceBytes: is beyond the end of stdout, which is 14',
    ]);
    expect(await read('done', '?stream=stdout&sinceBytes=4&follow')).to.equal('two\nthree\n');
  });

  it('are the last lines of each stream', async () => {
    expect(await read('done', '?stream=stdout&tail=2')).to.equal('two\nthree\n');
    expect(await read('done', '?stream=stdout&tail=0')).to.equal('');
    expect((await read('done', '?tail=1')).length).to.equal('three\nwarning\n'.length);
  });

  it('continue with follow until the process ends', async () => {
    const all = read('slow', '?follow');
    const tail = read('slow', '?follow=true&tail=0');
    await settle();
    print('second\n');
    await settle();
    print('third\n');
    end.resolve({ exitStatus: 0 });
    expect(await all).to.equal('first\nsecond\nthird\n');
    expect(await tail).to.equal('second\nthird\n');
  });

  it('only observe: nothing is acknowledged or stored, and no command is stopped', async () => {
    await read('slow');
    expect((await container.findProcess('slow'))?.state).to.equal('running');
    const followed = read('slow', '?follow');
    await settle();
    end.resolve({ exitStatus: 0 });
    await followed;
    for (const { args } of container.attach.getCalls()) expect(args[2]).to.include({ observe: true });
    expect(await container.findProcess('slow')).to.deep.equal({ id: 'slow', state: 'ended' });
  });

  it('detach when the client leaves, also while it is slow', async () => {
    const logs = new TaskLogs(1);
    const gone = new AbortController();
    const { content } = await logs.reply(container, 'slow', new URLSearchParams('follow'), gone.signal);
    if (!('stream' in content)) throw new Error('no stream');
    const reader = content.stream(gone.signal)[Symbol.asyncIterator]();
    await reader.next();
    for (let line = 0; line < 100; line += 1) print(`${line}\n`);
    gone.abort(new Error('gone'));
    await reader.return?.();
    await settle();
    const second = await logs.reply(container, 'slow', new URLSearchParams(), new AbortController().signal);
    expect(second.status).to.equal(200);
  });

  it('are 503 beyond the number of streams that run at once', async () => {
    const [first, second] = [read('slow', '?follow'), read('slow', '?follow')];
    await settle();
    const refused = await rig.ask('/api/v1/tasks/c:slow/logs');
    expect([refused.status, refused.body.code]).to.deep.equal([503, 'KW_HTTP_BUSY']);
    end.resolve({ exitStatus: 0 });
    await Promise.all([first, second]);
    expect((await rig.ask('/api/v1/tasks/c:slow/logs')).status).to.equal(200);
  });

  it('are 404 for an unknown process and for a container in which no process runs', async () => {
    expect((await rig.ask('/api/v1/tasks/c:none/logs')).status).to.equal(404);
    rig.worker.lookupContainer.resolves(undefined);
    expect((await rig.ask('/api/v1/tasks/c:done/logs')).status).to.equal(404);
  });

  it('are 410 if the output went with the pod', async () => {
    const process = new FakeProcess();
    const offsets = { stream: 'stdout', fromBytes: 0, toBytes: 7 } as const;
    const cause = new OutputFreedError({ handle: 'c', processId: 'done' }, offsets);
    const result: ProcessResult = { exitStatus: 0, undelivered: [{ stream: 'stdout', cause }] };
    process.wait.resolves(result);
    process.position.returns({ stdoutBytes: 0, stderrBytes: 0 });
    container.attach.resolves(process);
    container.findProcess.resolves({ id: 'done', state: 'ended', result: { exitStatus: 0 } });
    const { status, body } = await rig.ask('/api/v1/tasks/c:done/logs');
    expect([status, body.code]).to.deep.equal([410, 'KW_HTTP_OUTPUT_GONE']);
  });

  context('of which the pod keeps the end only', () => {
    const text = 'one\ntwo\nthree\n';
    const kept = 5;
    /** The parts that the pod delivers from the first one kept on. */
    let offsets: readonly number[];

    beforeEach(() => {
      offsets = [];
      container.attach.callsFake(async (_id, { output }, { from } = {}) => {
        const process = new FakeProcess();
        const begin = typeof from === 'object' ? Math.max(from.stdoutBytes, kept) : text.length;
        process.position.returns({ stdoutBytes: begin, stderrBytes: 0 });
        process.wait.callsFake(async () => {
          for (const offset of [begin, ...offsets])
            await output?.({ stream: 'stdout', offset, bytes: Buffer.from(text.slice(offset, offset + 2)) });
          return { exitStatus: 0 };
        });
        return process;
      });
    });

    const ask = (query: string) => rig.ask(`/api/v1/tasks/c:done/logs${query}`);

    it('begin there, and a header has the offset', async () => {
      offsets = [7, 9, 11, 13];
      const { status, headers, body } = await ask('');
      expect([status, headers['Kw-Output-Begin'], body]).to.deep.equal([200, 'stdout=5, stderr=0', text.slice(kept)]);
      expect((await ask('?stream=stdout&sinceBytes=9')).headers).to.include({ 'Kw-Output-Begin': 'stdout=9' });
      expect(await read('done', '?tail=1')).to.equal('three\n');
    });

    it('are 410 from an offset before it, with the first offset', async () => {
      const { status, body } = await ask('?stream=stdout&sinceBytes=4');
      expect([status, body.code, body.message]).to.deep.equal([
        410,
        'KW_HTTP_OUTPUT_GONE',
        'The pod keeps stdout from byte 5 on.',
      ]);
    });

    it('are incomplete where the host was faster than the client', async () => {
      offsets = [9];
      const { signal } = new AbortController();
      const { content } = await new TaskLogs(1).reply(container, 'done', new URLSearchParams(), signal);
      if (!('stream' in content)) throw new Error('no stream');
      const reader = content.stream(signal)[Symbol.asyncIterator]();
      expect(String((await reader.next()).value)).to.equal('wo');
      expect((await rejection(reader.next())).message).to.equal('stdout: the pod no longer keeps bytes 7 to 9');
    });
  });
});
