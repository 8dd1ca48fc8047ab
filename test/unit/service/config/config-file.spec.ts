import { expect } from 'chai';
import fc from 'fast-check';

import { ConfigError } from '../../../../src/service/config/config-error.ts';
import { parseConfigFile } from '../../../../src/service/config/config-file.ts';
import { schemaKeys } from '../../../../src/service/config/schema-keys.ts';
import { fileSource } from '../../../../src/service/config/sources.ts';

/** Text of parts that have a meaning in YAML. */
const yamlLike = fc
  .array(
    fc.oneof(
      fc.constantFrom('worker', 'name', 'stores', 's3', 'images', 'policy', 'rules', 'status', 'port', 'x'),
      fc.constantFrom(
        ': ',
        ':',
        '\n',
        '\n  ',
        '\n    ',
        '- ',
        ' ',
        '{',
        '}',
        '[',
        ']',
        ',',
        '"',
        "'",
        '#',
        '&a ',
        '*a ',
      ),
      fc.constantFrom(
        '!!map ',
        '!x ',
        '? ',
        '| ',
        '> ',
        '<<',
        '---\n',
        '...\n',
        '\t',
        '%YAML 1.1\n',
        '.nan',
        '2020-01-01',
      ),
      fc.constantFrom('__proto__', 'constructor', 'null', '~', '1', 'true', '\u0000', '\u2028', '😀', '\r\n'),
    ),
    { maxLength: 25 },
  )
  .map((parts) => parts.join(''));

describe('parseConfigFile', () => {
  it('returns values or throws a ConfigError, each problem with a position in the text', () => {
    let parsed = 0;
    fc.assert(
      fc.property(yamlLike, (text) => {
        const lines = text.split('\n');
        try {
          const { issues } = fileSource(parseConfigFile('f', text), schemaKeys);
          parsed += 1;
          for (const { origin } of issues) {
            if (origin?.kind !== 'file') throw new Error('the problem has no position');
            expect(origin.line).to.be.within(1, lines.length);
            expect(origin.column).to.be.within(1, (lines[origin.line! - 1]?.length ?? 0) + 1);
          }
        } catch (error) {
          expect(error).to.be.instanceOf(ConfigError);
        }
      }),
      { numRuns: 300 },
    );
    expect(parsed).to.be.greaterThan(0);
  });

  it('has the position of a name, of a value, and of the section of a missing value', () => {
    const file = parseConfigFile('f', 'a:\n  b: [1, {c: 2}]\n  d:\n');
    const at = (parts: readonly (string | number)[], of: 'name' | 'value'): string => {
      const origin = file.originOf(parts, of);
      return origin.kind === 'file' ? `${String(origin.line)}:${String(origin.column)}` : '';
    };
    expect(at(['a', 'b'], 'name')).to.equal('2:3');
    expect(at(['a', 'b'], 'value')).to.equal('2:6');
    expect(at(['a', 'b', 1, 'c'], 'name')).to.equal('2:11');
    expect(at(['a', 'b', 1, 'c'], 'value')).to.equal('2:14');
    expect(at(['a', 'b', 1, 'none'], 'value')).to.equal('2:10');
    expect(at(['a', 'none', 'deep'], 'value')).to.equal('2:3');
    expect(at(['none'], 'value')).to.equal('1:1');
  });

  it('does not change the prototype of the values', () => {
    const { tree } = parseConfigFile('f', '__proto__: {polluted: 1}\n');
    expect(Object.keys(tree)).to.deep.equal(['__proto__']);
    expect('polluted' in {}).to.equal(false);
  });
});
