import { PassThrough, Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';

import { expect } from 'chai';

import { InvalidSpecError } from '../../../../src/errors/caller.ts';
import { planContainer } from '../../../../src/worker/plan/container-plan.ts';
import {
  checkOutput,
  checkPosition,
  checkProcess,
  checkStdin,
  checkWindowSize,
} from '../../../../src/worker/plan/process-spec.ts';

describe('checkProcess', () => {
  const defaults = { dir: '/build', user: 'builder' };
  const check = (spec: Partial<Parameters<typeof checkProcess>[0]>, from = defaults) =>
    checkProcess({ path: 'make', ...spec }, from, () => 'new-id');

  it('completes the process with the defaults of its container', () => {
    expect(check({ args: ['all'], env: ['A=b'] })).to.deep.equal({
      id: 'new-id',
      args: ['make', 'all'],
      env: ['A=b'],
      dir: '/build',
      user: 'builder',
      tty: undefined,
    });
  });

  it("prefers the process's user and dir, and resolves a relative dir against the container's", () => {
    expect(check({ dir: 'sub/../other', user: '1000:1000' })).to.include({ dir: '/build/other', user: '1000:1000' });
    expect(check({ dir: '/else' }).dir).to.equal('/else');
  });

  it('uses 500 columns and rows for a terminal without a size', () => {
    expect(check({ tty: {} }).tty).to.deep.equal({ columns: 500, rows: 500 });
  });

  it('rejects a relative dir if the container has none', () => {
    expect(() => checkProcess({ path: 'make', dir: 'sub' }, { dir: undefined, user: undefined }, () => 'id')).to.throw(
      /^dir: /,
    );
  });

  it('rejects invalid ids', () => {
    for (const id of ['', '.', '..', '.hidden', 'a/b', 'a b', 'a\n', 'x'.repeat(101)])
      expect(() => check({ id }), JSON.stringify(id)).to.throw(/^id: /);
  });

  it('rejects a NUL in every field', () => {
    expect(() => check({ path: 'a\0' })).to.throw(/^path: /);
    expect(() => check({ args: ['ok', 'a\0'] })).to.throw(/^args\[1\]: /);
    expect(() => check({ env: ['A=\0'] })).to.throw(/^env\[0\]: /);
    expect(() => check({ dir: '/a\0' })).to.throw(/^dir: /);
  });
});

describe('an error about the environment or the arguments', () => {
  const secret = 'hunter2';

  const messageOf = (check: () => unknown): string => {
    try {
      check();
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error('nothing was refused');
  };

  it('names the variable or the argument, and never contains a value', () => {
    const check = (spec: object) =>
      messageOf(() => checkProcess({ path: 'make', ...spec }, { dir: undefined, user: undefined }, () => 'id'));
    const sidecar = (parts: object) =>
      messageOf(() => planContainer({ image: 'i', sidecars: [{ name: 'side', image: 'i', ...parts }] }));
    const messages = {
      'env[1]: the value of "TOKEN" contains a NUL': check({ env: ['A=b', `TOKEN=${secret}\0`] }),
      'env[0]: is not NAME=value': check({ env: [secret] }),
      'args[1]: contains a NUL': check({ args: ['--token', `${secret}\0`] }),
      'sidecars[0].env[0]: the value of "TOKEN" contains a NUL': sidecar({ env: [`TOKEN=${secret}\0`] }),
      'sidecars[0].command[1]: contains a NUL': sidecar({ command: ['a', `${secret}\0`] }),
      'sidecars[0].args[0]: contains a NUL': sidecar({ args: [`${secret}\0`] }),
    };
    for (const [wanted, message] of Object.entries(messages)) expect(message).to.equal(wanted);
  });
});

describe('checkStdin', () => {
  const check = (stdin: Readable, isWhole = true) => checkStdin('stdin', stdin, { isWhole });
  const isRefused = (stdin: Readable, isWhole = true): void => {
    expect(() => check(stdin, isWhole)).to.throw(InvalidSpecError, /^stdin: /);
  };

  it('accepts a stream that has all its bytes', () => {
    const stdin = new PassThrough();
    stdin.write('waiting');
    expect(check(stdin)).to.equal(stdin);
    expect(check(Readable.from([Buffer.from('bytes')]))?.destroyed).to.equal(false);
  });

  it('rejects a stream that has ended, was destroyed or has failed, instead of treating it as empty', async () => {
    const ended = Readable.from(['all']);
    await text(ended);
    const destroyed = new PassThrough();
    destroyed.destroy();
    const failed = new PassThrough();
    failed.on('error', () => undefined);
    failed.destroy(new Error('broken'));
    for (const stdin of [ended, destroyed, failed]) for (const isWhole of [true, false]) isRefused(stdin, isWhole);
  });

  it('rejects a stream that was read from, unless it may start anywhere', () => {
    const stdin = new PassThrough();
    stdin.write('first');
    stdin.read(2);
    isRefused(stdin);
    expect(check(stdin, false)).to.equal(stdin);
  });

  it('rejects a stream that decodes its bytes to text', () => {
    isRefused(new PassThrough().setEncoding('utf8'), false);
  });
});

describe('checkWindowSize', () => {
  it('accepts 1 to 65535, and names an invalid field', () => {
    expect(checkWindowSize('size', { columns: 1, rows: 65_535 })).to.deep.equal({ columns: 1, rows: 65_535 });
    expect(() => checkWindowSize('size', { columns: 0, rows: 1 })).to.throw(/^size\.columns: /);
    expect(() => checkWindowSize('size', { columns: 1, rows: 1.5 })).to.throw(/^size\.rows: /);
  });
});

describe('checkPosition', () => {
  it('accepts start, now and offsets', () => {
    for (const position of ['start', 'now', { stdoutBytes: 0, stderrBytes: 7 }] as const)
      expect(checkPosition('from', position)).to.deep.equal(position);
  });

  it('rejects anything else', () => {
    expect(() => checkPosition('from', 'end' as 'now')).to.throw(/^from: /);
    expect(() => checkPosition('from', { stdoutBytes: -1, stderrBytes: 0 })).to.throw(/^from\.stdoutBytes: /);
  });
});

describe('checkOutput', () => {
  it('refuses an output function beside a writable of either stream', () => {
    const writable = new Writable();
    const output = (): void => {};
    for (const io of [{ stdout: writable }, { stderr: writable }])
      expect(() => checkOutput({ ...io, output })).to.throw(InvalidSpecError, 'output: cannot be combined');
    checkOutput({ stdout: writable, stderr: writable });
    checkOutput({ output });
  });
});
