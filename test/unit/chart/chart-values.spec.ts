import { expect } from 'chai';

import { parseChartValues } from '../../../scripts/chart/chart-values.ts';

const never = (): boolean => false;

describe('the values of the chart', () => {
  it('have the comment above a key as its description, on one line', () => {
    const [value] = parseChartValues('# The name\n# of all objects.\nname: kw\n', never);
    expect(value).to.deep.include({ path: 'name', description: 'The name of all objects.', default: 'kw' });
  });

  it('have the last paragraph only: what is above it concerns other keys as well', () => {
    const [value] = parseChartValues('# About the file.\n\n# The name.\nname: kw\n', never);
    expect(value?.description).to.equal('The name.');
  });

  it('contain the values of a map, of which the first has its own comment too', () => {
    const [image] = parseChartValues(
      '# The image.\nimage:\n  # The tag.\n  tag: "1"\n  # The path.\n  path: a\n',
      never,
    );
    expect(image?.children.map(({ path, description }) => [path, description])).to.deep.equal([
      ['image.tag', 'The tag.'],
      ['image.path', 'The path.'],
    ]);
  });

  it('have no values of a map that is one value', () => {
    const [value] = parseChartValues('# Limits.\nlimits:\n  memory: 1Gi\n', (path) => path === 'limits');
    expect(value).to.deep.include({ default: { memory: '1Gi' }, children: [] });
  });

  for (const [what, text] of [
    ['a value without a comment', '# The image.\nimage:\n  # The tag.\n  tag: "1"\n  path: a\n'],
    ['an empty comment', '#\nimage:\n'],
  ] as const)
    it(`are refused with ${what}`, () => {
      expect(() => parseChartValues(text, never)).to.throw(/^the value image(\.path)? has no comment$/);
    });

  it('are refused if they are no map', () => {
    expect(() => parseChartValues('- a\n', never)).to.throw('the file of values is not a map');
  });

  it('are refused if they are not YAML', () => {
    expect(() => parseChartValues('a: [\n', never)).to.throw();
  });
});
