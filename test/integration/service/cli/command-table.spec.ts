import { PassThrough } from 'node:stream';

import { expect } from 'chai';

import { completionTree } from '../../../../src/service/cli/completion-tree.ts';
import { createProgram } from '../../../../src/service/cli/program.ts';
import { commandRows } from '../../../contract/service/command-rows.ts';

describe('the table of commands', () => {
  it('has a row for each command of the program, which the suites of commands run', () => {
    const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
    const context = { ...streams, env: {}, signal: new AbortController().signal };
    const commands = completionTree(createProgram(context, () => {}))
      .filter(({ path, subcommands }) => path !== '' && subcommands.length === 0 && !path.endsWith('/help'))
      .map(({ path }) => path.slice(1).replaceAll('/', ' '));
    expect(Object.keys(commandRows).sort()).to.deep.equal(commands.sort());
  });
});
