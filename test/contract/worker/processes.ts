import { randomUUID } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { PassThrough, Readable, Writable } from 'node:stream';

import { expect } from 'chai';

import type { Container, OutputChunk, ProcessResult, Worker } from '../../../src/index.ts';
import { rejection } from '../../support/rejection.ts';
import { Collector, makeContainer, run, sh, type WorkerSetup } from './setup.ts';

/** Specifies `Container.run`, `attach` and `Process`, for any cluster. */
export function describeProcesses(setup: () => WorkerSetup): void {
  describe('a process', () => {
    let worker: Worker;
    let container: Container;
    let finish: () => Promise<void>;

    before(async () => {
      worker = await setup().open();
      const made = await makeContainer(worker, setup().image, {
        env: ['FROM_CONTAINER=container', 'SHARED=container'],
      });
      container = made.container;
      finish = () => worker.ownerFinished(made.owner);
    });

    after(async () => {
      await finish();
      await worker.reap();
      await worker.close();
    });

    it('delivers stdout and stderr separately and completely, and its exit status', async () => {
      expect(await sh(container, 'echo out; echo err >&2; exit 3')).to.deep.equal({
        exitStatus: 3,
        stdout: 'out\n',
        stderr: 'err\n',
      });
    });

    it('reports the signal that ended it', async () => {
      expect(await sh(container, 'kill -TERM $$')).to.include({ exitStatus: 143, signal: 15 });
    });

    it('has the environment of the container, overridden by its own [A7]', async () => {
      const { stdout } = await sh(container, 'echo "$FROM_CONTAINER $SHARED $OWN"', {
        env: ['SHARED=process', 'OWN=own = with $signs'],
      });
      expect(stdout).to.equal('container process own = with $signs\n');
    });

    it('runs in the directory of the container, or in its own, which is created', async () => {
      await sh(container, 'echo here > marker');
      expect((await sh(container, 'cat marker', { dir: '/tmp/build/test' })).stdout).to.equal('here\n');
      expect((await sh(container, 'cat ../../marker; cd ..; ls', { dir: 'new/er' })).stdout).to.equal('here\ner\n');
    });

    it('finds its files by absolute paths anywhere in its arguments and environment', async () => {
      const script = 'echo there > /tmp/build/test/abs; cat "/tmp/build/test/abs" $FILE; cd /tmp/build/test && cat abs';
      expect((await sh(container, script, { env: ['FILE=/tmp/build/test/abs'] })).stdout).to.equal(
        'there\nthere\nthere\n',
      );
    });

    it('receives its arguments unchanged', async () => {
      const args = ['with space', '$HOME', '"quoted"', "it's", 'new\nline', '-n', '', 'ünïcode'];
      const { stdout } = await run(container, {
        path: 'sh',
        args: ['-c', 'for a in "$@"; do printf "<%s>" "$a"; done', 'sh', ...args],
      });
      expect(stdout).to.equal(args.map((arg) => `<${arg}>`).join(''));
    });

    it('reads stdin to its end, and answers', async () => {
      const request = '{"source":{}}'.repeat(100_000);
      const { stdout, exitStatus } = await run(container, { path: 'cat' }, { stdin: Readable.from([request]) });
      expect({ same: stdout === request, exitStatus }).to.deep.equal({ same: true, exitStatus: 0 });
    });

    it('has an empty stdin if the host provides none', async () => {
      expect((await sh(container, 'cat; echo end')).stdout).to.equal('end\n');
    });

    it('prints 100,000 lines on each stream, complete and in order', async () => {
      const { stdout, stderr } = await sh(
        container,
        'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); echo $i; echo $i >&2; done',
      );
      const wanted = `${Array.from({ length: 100_000 }, (_, index) => index + 1).join('\n')}\n`;
      expect([stdout === wanted, stderr === wanted]).to.deep.equal([true, true]);
    });

    it('has a terminal of the requested size, and all output on stdout', async () => {
      const spec = { tty: { windowSize: { columns: 123, rows: 45 } } };
      const { stdout, stderr } = await sh(
        container,
        'stty size; echo err >&2; test -t 0 && test -t 1 && echo tty',
        spec,
      );
      expect([stdout, stderr]).to.deep.equal(['45 123\r\nerr\r\ntty\r\n', '']);
    });

    context('that cannot be started', () => {
      it('rejects for a missing executable, and the id may be used again', async () => {
        const id = randomUUID();
        expect(await rejection(container.run({ id, path: 'no-such-program' }, {}))).to.include({
          code: 'KW_ERR_EXECUTABLE_NOT_FOUND',
          executable: 'no-such-program',
        });
        expect((await rejection(container.run({ id, path: '/no/such/program' }, {}))).code).to.equal(
          'KW_ERR_EXECUTABLE_NOT_FOUND',
        );
        expect((await sh(container, 'echo again', { id })).stdout).to.equal('again\n');
      });

      it('rejects for a missing user', async () => {
        expect(await rejection(container.run({ path: 'true', user: 'nobody-knows' }, {}))).to.include({
          code: 'KW_ERR_USER_NOT_FOUND',
          user: 'nobody-knows',
        });
      });

      it('rejects for a file that cannot be executed, and for a folder', async () => {
        await sh(container, 'printf "no program" > plain; chmod 644 plain');
        expect((await rejection(container.run({ path: '/tmp/build/test/plain' }, {}))).code).to.equal(
          'KW_ERR_NOT_PERMITTED',
        );
        expect((await rejection(container.run({ path: 'true', dir: '/tmp/build/test/plain' }, {}))).code).to.equal(
          'KW_ERR_WORKING_DIRECTORY',
        );
      });

      it('names the field of an invalid specification', async () => {
        const wrong = {
          path: { path: '' },
          'args[0]': { path: 'a', args: ['\0'] },
          'env[0]': { path: 'a', env: ['NONE'] },
          id: { path: 'a', id: '../a' },
          user: { path: 'a', user: 'a:b:c' },
        };
        for (const [field, spec] of Object.entries(wrong))
          expect(await rejection(container.run(spec, {})), field).to.include({ code: 'KW_ERR_INVALID_SPEC', field });
      });
    });

    context('that was started before', () => {
      it('is attached to by run() of the same id, and not started again', async () => {
        const id = randomUUID();
        const script = 'echo once >> count; echo started; sleep 1; wc -l < count';
        const ran = await Promise.all([1, 2, 3].map(() => sh(container, script, { id })));
        for (const { stdout } of ran) expect(stdout).to.equal('started\n1\n');
      });

      it('was started by one of the calls', async () => {
        const spec = { id: randomUUID(), path: 'true' };
        const ran = await Promise.all([1, 2, 3].map(() => container.run(spec, {})));
        expect(ran.filter(({ startedByCall }) => startedByCall)).to.have.length(1);
        const attached = await container.attach(spec.id, {});
        expect(attached.startedByCall).to.equal(false);
        await Promise.all([...ran, attached].map((process) => process.wait()));
      });

      it('is not attached to by run() of another command, unless the caller keeps it', async () => {
        const id = randomUUID();
        const spec = { id, path: 'sh', args: ['-c', 'exit $STATUS'], env: ['TOKEN=first', 'STATUS=3'] };
        const other = await setup().open();
        const found = (await other.lookupContainer(container.handle))!;
        try {
          await (await container.run(spec, {})).wait();
          for (const changes of [{ env: ['TOKEN=hunter2', 'STATUS=3'] }, { args: ['-c', 'true'] }, { tty: {} }]) {
            const error = await rejection(found.run({ ...spec, ...changes }, {}));
            expect(error).to.include({
              code: 'KW_ERR_PROCESS_SPEC_CHANGED',
              processId: id,
              handle: container.handle,
              retryable: false,
            });
            expect(error.message).to.not.match(/hunter2|TOKEN/);
          }
          const kept = await found.run({ id, path: 'true' }, {}, { onSpecChange: 'keep' });
          const same = await found.run({ ...spec, env: ['STATUS=3', 'TOKEN=other', 'TOKEN=first'] }, {});
          for (const process of [kept, same]) {
            expect(process.startedByCall).to.equal(false);
            expect((await process.wait()).exitStatus).to.equal(3);
          }
        } finally {
          await other.close();
        }
      });

      it('repeats its output and status from any offset, after its end and from another instance', async () => {
        const id = randomUUID();
        await sh(container, 'echo 0123456789; echo err >&2; exit 7', { id });
        const other = await setup().open();
        try {
          const found = await other.lookupContainer(container.handle);
          const [stdout, stderr] = [new Collector(), new Collector()];
          const process = await found!.attach(id, { stdout, stderr }, { from: { stdoutBytes: 5, stderrBytes: 4 } });
          expect((await process.wait()).exitStatus).to.equal(7);
          expect([stdout.text, stderr.text, process.position()]).to.deep.equal([
            '56789\n',
            '',
            { stdoutBytes: 11, stderrBytes: 4 },
          ]);
        } finally {
          await other.close();
        }
      });

      it('delivers only new output if requested', async () => {
        const id = randomUUID();
        const first = new Collector();
        const process = await container.run(
          { id, path: 'sh', args: ['-c', 'echo early; read -r line; echo "late $line"'] },
          { stdout: first, stdin: new Readable({ read() {} }) },
        );
        while (!first.text.includes('early')) await new Promise((resolve) => setImmediate(resolve));
        await process[Symbol.asyncDispose]();
        const late = new Collector();
        const again = await container.attach(id, { stdout: late, stdin: Readable.from(['input\n']) }, { from: 'now' });
        expect((await again.wait()).exitStatus).to.equal(0);
        expect(late.text).to.equal('late input\n');
      });

      it('is observed to its end without a stored result, which the host of the process stores', async () => {
        const id = randomUUID();
        const process = await container.run({ id, path: 'sh', args: ['-c', 'read -r go; echo out; exit 6'] }, {});
        await process[Symbol.asyncDispose]();
        const seen = new Collector();
        const observer = await container.attach(id, { stdout: seen }, { observe: true });
        const { exitStatus } = await observer.wait();
        expect([exitStatus, seen.text]).to.deep.equal([6, 'out\n']);
        expect(await container.findProcess(id)).to.deep.equal({ id, state: 'ended' });
        await (await container.attach(id, {})).wait();
        expect((await container.findProcess(id))?.result?.exitStatus).to.equal(6);
      });

      it('is not observed with stdin or with properties of its result', async () => {
        const refused = { code: 'KW_ERR_INVALID_SPEC', field: 'observe' };
        const stdin = Readable.from([]);
        expect(await rejection(container.attach('x', { stdin }, { observe: true }))).to.include(refused);
        const resultProperties = (): Record<string, string> => ({});
        expect(await rejection(container.attach('x', {}, { observe: true, resultProperties }))).to.include(refused);
      });

      it('rejects if it was not started', async () => {
        expect(await rejection(container.attach('never-started', {}))).to.include({
          code: 'KW_ERR_PROCESS_NOT_FOUND',
          processId: 'never-started',
        });
      });
    });

    context('when its wait() is detached', () => {
      it('continues, and another instance continues its output at the position of the error', async () => {
        const shutdown = new AbortController();
        const id = randomUUID();
        const [first, second] = [new Collector(), new Collector()];
        const script = `echo early; until test -e ${id}; do sleep 0.05; done; echo late; exit 4`;
        const spec = { id, path: 'sh', args: ['-c', script] };
        const process = await container.run(spec, { stdout: first });
        const waiting = rejection(process.wait({ detachSignal: shutdown.signal }));
        await first.shows('early\n');
        shutdown.abort(new Error('the host shuts down'));
        const error = await waiting;
        expect(error).to.deep.include({
          code: 'KW_ERR_PROCESS_DETACHED',
          processId: id,
          position: { stdoutBytes: 6, stderrBytes: 0 },
          cause: shutdown.signal.reason,
        });
        expect(getEventListeners(shutdown.signal, 'abort')).to.have.length(0);
        await sh(container, `touch ${id}`);
        const other = await setup().open();
        try {
          const found = await other.lookupContainer(container.handle);
          const again = await found!.run(spec, { stdout: second }, { from: process.position() });
          expect((await again.wait({ detachSignal: new AbortController().signal })).exitStatus).to.equal(4);
        } finally {
          await other.close();
        }
        expect([first.text, second.text]).to.deep.equal(['early\n', 'late\n']);
      });
    });

    context('when its wait() is aborted', () => {
      it('stops with its group, delivers the output up to then, and rejects with the reason [A19] [A50]', async () => {
        const abort = new AbortController();
        const reason = new Error('the build was aborted');
        const stdout = new Collector();
        const id = randomUUID();
        const process = await container.run(
          { id, path: 'sh', args: ['-c', 'sleep 600 & trap "echo stopping; exit 9" TERM; echo ready; wait'] },
          { stdout },
        );
        const waiting = rejection(process.wait({ signal: abort.signal }));
        while (!stdout.text.includes('ready')) await new Promise((resolve) => setImmediate(resolve));
        abort.abort(reason);
        expect(await waiting).to.equal(reason);
        expect(stdout.text).to.equal('ready\nstopping\n');
        expect(getEventListeners(abort.signal, 'abort')).to.have.length(0);
        const ended = await container.attach(id, {});
        expect((await ended.wait()).exitStatus).to.equal(9);
      });

      it('continues if only the signal of run() aborts [A19]', async () => {
        const abort = new AbortController();
        const process = await container.run(
          { path: 'sh', args: ['-c', 'sleep 0.3; exit 5'] },
          {},
          { signal: abort.signal },
        );
        abort.abort(new Error('too late'));
        expect((await process.wait()).exitStatus).to.equal(5);
        expect(getEventListeners(abort.signal, 'abort')).to.have.length(0);
      });

      it('does not start with an aborted signal', async () => {
        const signal = AbortSignal.abort(new Error('before'));
        expect(await rejection(container.run({ id: 'not-started', path: 'true' }, {}, { signal }))).to.equal(
          signal.reason,
        );
        expect((await rejection(container.attach('not-started', {}))).code).to.equal('KW_ERR_PROCESS_NOT_FOUND');
      });

      it('receives a signal that is sent to it', async () => {
        const stdout = new Collector();
        const process = await container.run(
          { path: 'sh', args: ['-c', 'trap "echo usr1; exit 4" USR1; echo ready; while :; do sleep 0.05; done'] },
          { stdout },
        );
        while (!stdout.text.includes('ready')) await new Promise((resolve) => setImmediate(resolve));
        await process.signal(10);
        expect((await process.wait()).exitStatus).to.equal(4);
        expect(stdout.text).to.equal('ready\nusr1\n');
      });
    });

    context("when the host's writable fails or is slow", () => {
      it('continues without it, and reports it', async () => {
        const cause = new Error('the log is gone');
        const stdout = new Writable({ write: (_chunk, _encoding, done) => done(cause) });
        const stderr = new Collector();
        const process = await container.run(
          { path: 'sh', args: ['-c', 'echo out; sleep 0.2; echo out; echo err >&2; exit 2'] },
          { stdout, stderr },
        );
        const result = await process.wait();
        expect(result).to.deep.include({ exitStatus: 2, undelivered: [{ stream: 'stdout', cause }] });
        expect(stderr.text).to.equal('err\n');
      });

      it('waits for a slow writable, loses nothing, and does not end it', async () => {
        const chunks: Buffer[] = [];
        const slow = new Writable({
          highWaterMark: 1024,
          write: (chunk: Buffer, _encoding, done) => {
            chunks.push(chunk);
            setTimeout(done, 5);
          },
        });
        const process = await container.run(
          { path: 'sh', args: ['-c', 'head -c 3000000 /dev/zero'] },
          { stdout: slow },
        );
        expect((await process.wait()).exitStatus).to.equal(0);
        expect(Buffer.concat(chunks).byteLength).to.equal(3_000_000);
        expect(slow.writableEnded).to.equal(false);
        for (const event of ['error', 'drain', 'close']) expect(slow.listenerCount(event), event).to.equal(0);
      });
    });

    context('with an output function', () => {
      /** Stores output as a host does, and checks that no byte is missing or repeated. */
      class Store {
        readonly bytes = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
        readonly next = { stdout: 0, stderr: 0 };

        readonly add = ({ stream, offset, bytes }: OutputChunk): void => {
          expect(offset, stream).to.equal(this.next[stream]);
          this.next[stream] += bytes.byteLength;
          this.bytes[stream].push(bytes);
        };

        get text(): readonly string[] {
          return [this.bytes.stdout, this.bytes.stderr].map((bytes) => Buffer.concat(bytes).toString());
        }
      }

      it('delivers both streams as chunks with offsets, from the requested ones on', async () => {
        const store = new Store();
        const id = randomUUID();
        const script = 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo $i; echo $i >&2; done; exit 3';
        const spec = { id, path: 'sh', args: ['-c', script] };
        const process = await container.run(spec, { output: store.add });
        expect(await process.wait())
          .to.include({ exitStatus: 3 })
          .and.not.have.property('undelivered');
        const wanted = `${Array.from({ length: 20_000 }, (_, index) => index + 1).join('\n')}\n`;
        expect(store.text.map((text) => text === wanted)).to.deep.equal([true, true]);
        expect(process.position()).to.deep.equal({ stdoutBytes: store.next.stdout, stderrBytes: store.next.stderr });
        const again = new Store();
        Object.assign(again.next, { stdout: 6, stderr: wanted.length });
        const from = { stdoutBytes: 6, stderrBytes: wanted.length };
        await (await container.attach(id, { output: again.add }, { from })).wait();
        expect(again.text).to.deep.equal([wanted.slice(6), '']);
      });

      it('delivers all output of a terminal as stdout', async () => {
        const store = new Store();
        const spec = { path: 'sh', args: ['-c', 'echo out; echo err >&2'], tty: {} };
        await (await container.run(spec, { output: store.add })).wait();
        expect(store.text).to.deep.equal(['out\r\nerr\r\n', '']);
      });

      it('waits for each chunk before the next one of its stream, and before wait() resolves', async () => {
        const store = new Store();
        const pending = { stdout: 0, stderr: 0 };
        const output = async (chunk: OutputChunk): Promise<void> => {
          expect(pending[chunk.stream]).to.equal(0);
          pending[chunk.stream] += 1;
          await new Promise((resolve) => setTimeout(resolve, 2));
          pending[chunk.stream] -= 1;
          store.add(chunk);
        };
        const process = await container.run(
          { path: 'sh', args: ['-c', 'head -c 2000000 /dev/zero; echo err >&2'] },
          { output },
        );
        expect(await process.wait())
          .to.include({ exitStatus: 0 })
          .and.not.have.property('undelivered');
        expect([store.next, pending]).to.deep.equal([
          { stdout: 2_000_000, stderr: 4 },
          { stdout: 0, stderr: 0 },
        ]);
      });

      for (const [kind, fail] of Object.entries({
        throws: (cause: Error) => {
          throw cause;
        },
        rejects: (cause: Error) => Promise.reject(cause),
      }) as [string, (cause: Error) => Promise<void>][]) {
        it(`continues without the stream for which it ${kind}, and reports it`, async () => {
          const cause = new Error('the log is gone');
          const seen: string[] = [];
          const stdin = new PassThrough();
          const output = ({ stream, bytes }: OutputChunk): void | Promise<void> => {
            seen.push(`${stream} ${Buffer.from(bytes).toString()}`);
            if (stream === 'stderr') return undefined;
            stdin.end('more\n');
            return fail(cause);
          };
          const process = await container.run(
            { path: 'sh', args: ['-c', 'echo out; read -r more; echo "$more"; echo err >&2; exit 2'] },
            { output, stdin },
          );
          expect(await process.wait()).to.deep.include({ exitStatus: 2, undelivered: [{ stream: 'stdout', cause }] });
          expect(seen).to.deep.equal(['stdout out\n', 'stderr err\n']);
        });
      }

      it('is refused beside a writable', async () => {
        for (const io of [{ stdout: new Collector() }, { stderr: new Collector() }]) {
          const both = { ...io, output: () => {} };
          for (const call of [container.run({ path: 'true' }, both), container.attach('any', both)])
            expect(await rejection(call)).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'output' });
        }
      });
    });

    it('stores properties in one step with its result, derived from its output', async () => {
      const id = randomUUID();
      const stdout = new Collector();
      const options = {
        resultProperties: async ({ exitStatus }: ProcessResult) => ({ result: `${exitStatus} ${stdout.text}` }),
      };
      const process = await container.run(
        { id, path: 'sh', args: ['-c', 'echo "{\\"version\\":1}"; exit 3'] },
        { stdout },
        options,
      );
      await process.wait();
      expect((await container.properties())['result']).to.equal('3 {"version":1}\n');
    });

    it('stores no result without the properties that belong to it', async () => {
      const cause = new Error('no properties today');
      const id = randomUUID();
      const options = { resultProperties: () => Promise.reject(cause) };
      const process = await container.run({ id, path: 'true' }, {}, options);
      expect(await rejection(process.wait())).to.equal(cause);
      const again = await container.run({ id, path: 'true' }, {}, { resultProperties: () => ({ late: 'but there' }) });
      await again.wait();
      expect((await container.properties())['late']).to.equal('but there');
    });

    it('keeps properties of its container, durable and visible to another instance', async () => {
      const value = JSON.stringify({ version: { ref: 'ünïcode "quoted"' }, big: 'x'.repeat(500_000) });
      await container.setProperty('concourse:resource-result', value);
      await container.setProperty('other', 'first');
      await container.setProperty('other', 'second');
      const other = await setup().open();
      try {
        expect(await (await other.lookupContainer(container.handle))!.properties()).to.deep.include({
          'concourse:resource-result': value,
          other: 'second',
        });
      } finally {
        await other.close();
      }
      expect(await rejection(container.setProperty('', 'x'))).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'name',
      });
    });
  });
}
