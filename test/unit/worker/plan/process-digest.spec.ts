import { expect } from 'chai';

import type { ProcessSpec } from '../../../../src/runtime/process.ts';
import { processDigest, requireSameCommand } from '../../../../src/worker/plan/process-digest.ts';
import { rejection } from '../../../support/rejection.ts';

const full: ProcessSpec = { path: 'make', args: ['-j', '2'], env: ['A=1', 'B=2'], dir: 'source', user: 'ci', tty: {} };
const here = { dir: '/build/source', stdin: true };
const facts = { handle: 'c-1', processId: 'task' };

describe('processDigest', () => {
  it('never changes for a specification, because agents and rows have it', () => {
    expect(processDigest({ path: 'true' }, { dir: undefined, stdin: false })).to.equal(
      'fc7354dc115ccbb1b9f0d45ef4d5871ab9db2306e24d3540c0bf388f9997b167',
    );
    expect(processDigest(full, here)).to.equal('113d36f473f70a13b2278e63530b05972dfb097e836bf4a9d6a4b9a5c182ae07');
  });

  const differing: Readonly<Record<string, [Partial<ProcessSpec>, Partial<typeof here>]>> = {
    'the path': [{ path: 'cmake' }, {}],
    'an argument': [{ args: ['-j', '3'] }, {}],
    'the border between arguments': [{ args: ['-j 2'] }, {}],
    'an empty argument': [{ args: ['-j', '2', ''] }, {}],
    'the value of a variable': [{ env: ['A=1', 'B=3'] }, {}],
    'the user': [{ user: undefined }, {}],
    'a terminal': [{ tty: undefined }, {}],
    'the resolved dir': [{}, { dir: '/build' }],
    'a stdin': [{}, { stdin: false }],
  };
  for (const [what, [spec, surroundings]] of Object.entries(differing)) {
    it(`differs with ${what}`, () => {
      expect(processDigest({ ...full, ...spec }, { ...here, ...surroundings })).to.not.equal(processDigest(full, here));
    });
  }

  const equal: Readonly<Record<string, Partial<ProcessSpec>>> = {
    'its id': { id: 'another' },
    'the order of variables': { env: ['B=2', 'A=1'] },
    'a variable that a later entry replaces': { env: ['A=0', 'B=2', 'A=1'] },
    'the spelling of the dir': { dir: './source' },
    'the size of the terminal': { tty: { windowSize: { columns: 80, rows: 24 } } },
    'whether it is a hijack': { hijack: true },
  };
  for (const [what, spec] of Object.entries(equal)) {
    it(`does not differ with ${what}`, () => {
      expect(processDigest({ ...full, ...spec }, here)).to.equal(processDigest(full, here));
    });
  }

  it('does not differ between empty and absent lists', () => {
    const none = { dir: undefined, stdin: false };
    expect(processDigest({ path: 'true', args: [], env: [] }, none)).to.equal(processDigest({ path: 'true' }, none));
  });
});

describe('requireSameCommand', () => {
  it('rejects two digests that differ, and accepts a missing one', async () => {
    expect(await rejection((async () => requireSameCommand('a', 'b', facts))())).to.include({
      code: 'KW_ERR_PROCESS_SPEC_CHANGED',
      ...facts,
    });
    requireSameCommand('a', 'a', facts);
    requireSameCommand('a', undefined, facts);
    requireSameCommand(undefined, 'b', facts);
  });
});
