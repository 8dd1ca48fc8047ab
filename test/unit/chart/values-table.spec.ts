import { expect } from 'chai';

import { parseChartValues } from '../../../scripts/chart/chart-values.ts';
import { withValuesTable } from '../../../scripts/chart/values-table.ts';

const marks = ['<!-- values: written by scripts/chart.ts -->', '<!-- end of values -->'] as const;
const document = `before\n\n${marks[0]}\nold\n${marks[1]}\n\nafter\n`;
const tableOf = (text: string): readonly string[] =>
  withValuesTable(
    document,
    parseChartValues(text, () => false),
  ).split('\n');

describe('the table of values', () => {
  it('has a row for each value that is no map of others, with its default', () => {
    const lines = tableOf('# The image.\nimage:\n  # The tag.\n  tag: "1"\n# The number.\nreplicaCount: 2\n');
    expect(lines.filter((line) => line.startsWith('| `'))).to.deep.equal([
      '| `image.tag` | `"1"` | The tag. |',
      '| `replicaCount` | `2` | The number. |',
    ]);
  });

  it('leaves the default out that renders nothing', () => {
    const lines = tableOf('# A.\na: ""\n# B.\nb: []\n# C.\nc: null\n');
    expect(lines.filter((line) => line.startsWith('| `'))).to.deep.equal([
      '| `a` |  | A. |',
      '| `b` |  | B. |',
      '| `c` |  | C. |',
    ]);
  });

  it('escapes what would end a cell', () => {
    expect(tableOf('# One of a | b.\na: x|y\n')).to.include('| `a` | `"x\\|y"` | One of a \\| b. |');
  });

  it('replaces what is between the marks, and nothing else', () => {
    const text = tableOf('# A.\na: 1\n').join('\n');
    expect(text)
      .to.match(/^before\n\n<!--/)
      .and.to.match(/-->\n\nafter\n$/)
      .and.not.to.include('old');
    expect(
      withValuesTable(
        text,
        parseChartValues('# A.\na: 1\n', () => false),
      ),
    ).to.equal(text);
  });

  it('is refused without the marks', () => {
    expect(() => withValuesTable('text', [])).to.throw('the document has no <!-- values');
  });
});
