import { PassThrough, Writable } from 'node:stream';

import { expect } from 'chai';
import fc from 'fast-check';

import { CliError, StdoutClosedError } from '../../../../src/service/cli/cli-error.ts';
import { print, tableOf } from '../../../../src/service/cli/output.ts';
import { jsonText, printable } from '../../../../src/service/cli/printable.ts';
import { rejection } from '../../../support/rejection.ts';

const anyText = fc.array(fc.integer({ min: 0, max: 0x2fff })).map((codes) => String.fromCharCode(...codes));
const interpreted = /[\p{Cc}\p{Cf}\u2028\u2029]/u;

function failing(code: string): Writable {
  return new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error(`write ${code}`), { code })),
  }).on('error', () => {});
}

describe('the output of a command', () => {
  it('aligns the columns of a table, and has a hyphen for an empty cell', () => {
    const table = tableOf(
      ['HANDLE', 'STATE', 'OWNER'],
      [
        ['c-1', 'created', ''],
        ['container-2', '', 'step/é'],
      ],
    );
    expect(table).to.equal('HANDLE       STATE    OWNER\nc-1          created  -\ncontainer-2  -        step/é\n');
  });

  it('escapes control characters in the cells of a table', () => {
    expect(tableOf(['NAME'], [['a\u001b[2J\nb\u202e']])).to.equal('NAME\na\\u{1b}[2J\\nb\\u{202e}\n');
  });

  it('prints no character that a terminal interprets, whatever the text', () => {
    fc.assert(fc.property(anyText, (text) => !interpreted.test(printable(text))));
  });

  it('prints JSON without such characters, and with the same value', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const json = jsonText({ text });
        return !interpreted.test(json) && JSON.parse(json).text === text;
      }),
    );
  });

  it('resolves when the text is written', async () => {
    const output = new PassThrough();
    await print(output, 'text');
    expect(String(output.read())).to.equal('text');
  });

  it('rejects silently if the reader is gone, and with a cause if the disk is full', async () => {
    expect(await rejection(print(failing('EPIPE'), 'text'))).to.be.instanceOf(StdoutClosedError);
    const error = await rejection(print(failing('ENOSPC'), 'text'));
    expect(error).to.be.instanceOf(CliError).with.property('message', 'cannot write the output: write ENOSPC');
    expect(error).to.have.property('exitCode', 1);
  });
});
