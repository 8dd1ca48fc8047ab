import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

import { expect } from 'chai';

import { InvalidSpecError } from '../../../src/errors/caller.ts';
import { planContainer } from '../../../src/worker/container-plan.ts';
import { checkPosition, checkProcess, checkStdin, checkWindowSize } from '../../../src/worker/process-spec.ts';

describe('checkProcess', () => {
  const defaults = { dir: '/build', user: 'builder' };
  const check = (spec: Partial<Parameters<typeof checkProcess>[0]>, from = defaults) =>
    checkProcess({ path: 'make', ...spec }, from, () => 'new-id');

  it("completes it with the container's", () => {
    expect(check({ args: ['all'], env: ['A=b'] })).to.deep.equal({
      id: 'new-id',
      args: ['make', 'all'],
      env: ['A=b'],
      dir: '/build',
      user: 'builder',
      tty: undefined,
    });
  });

  it("prefers its own dir, below the container's where it is relative, and its own user", () => {
    expect(check({ dir: 'sub/../other', user: '1000:1000' })).to.include({ dir: '/build/other', user: '1000:1000' });
    expect(check({ dir: '/else' }).dir).to.equal('/else');
  });

  it('gives a terminal without a size 500 columns and rows', () => {
    expect(check({ tty: {} }).tty).to.deep.equal({ columns: 500, rows: 500 });
  });

  it('refuses a relative dir where the container has none', () => {
    expect(() => checkProcess({ path: 'make', dir: 'sub' }, { dir: undefined, user: undefined }, () => 'id')).to.throw(
      /^dir: /,
    );
  });

  it('refuses ids that are no names', () => {
    for (const id of ['', '.', '..', '.hidden', 'a/b', 'a b', 'a\n', 'x'.repeat(101)])
      expect(() => check({ id }), JSON.stringify(id)).to.throw(/^id: /);
  });

  it('refuses a NUL anywhere', () => {
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

  it('names the variable or the argument, and never quotes a value', () => {
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

  it('takes a stream that has all its bytes', () => {
    const stdin = new PassThrough();
    stdin.write('waiting');
    expect(check(stdin)).to.equal(stdin);
    expect(check(Readable.from([Buffer.from('bytes')]))?.destroyed).to.equal(false);
  });

  it('refuses one that has ended, was destroyed or has failed, instead of taking it for empty', async () => {
    const ended = Readable.from(['all']);
    await text(ended);
    const destroyed = new PassThrough();
    destroyed.destroy();
    const failed = new PassThrough();
    failed.on('error', () => undefined);
    failed.destroy(new Error('broken'));
    for (const stdin of [ended, destroyed, failed]) for (const isWhole of [true, false]) isRefused(stdin, isWhole);
  });

  it('refuses one that was read from, unless it goes on where it is', () => {
    const stdin = new PassThrough();
    stdin.write('first');
    stdin.read(2);
    isRefused(stdin);
    expect(check(stdin, false)).to.equal(stdin);
  });

  it('refuses one that decodes its bytes to text', () => {
    isRefused(new PassThrough().setEncoding('utf8'), false);
  });
});

describe('checkWindowSize', () => {
  it('takes 1 to 65535, and names what is not', () => {
    expect(checkWindowSize('size', { columns: 1, rows: 65_535 })).to.deep.equal({ columns: 1, rows: 65_535 });
    expect(() => checkWindowSize('size', { columns: 0, rows: 1 })).to.throw(/^size\.columns: /);
    expect(() => checkWindowSize('size', { columns: 1, rows: 1.5 })).to.throw(/^size\.rows: /);
  });
});

describe('checkPosition', () => {
  it('takes the start, now, and offsets', () => {
    for (const position of ['start', 'now', { stdoutBytes: 0, stderrBytes: 7 }] as const)
      expect(checkPosition('from', position)).to.deep.equal(position);
  });

  it('refuses anything else', () => {
    expect(() => checkPosition('from', 'end' as 'now')).to.throw(/^from: /);
    expect(() => checkPosition('from', { stdoutBytes: -1, stderrBytes: 0 })).to.throw(/^from\.stdoutBytes: /);
  });
});
