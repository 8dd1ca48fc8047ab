import { readFileSync } from 'node:fs';

import { expect } from 'chai';

import { parseChartValues } from '../../../scripts/chart/chart-values.ts';
import { closed, oneOf, type Schema, texts } from '../../../scripts/chart/json-schema.ts';
import { valueTypes } from '../../../scripts/chart/value-types.ts';
import { valuesSchema } from '../../../scripts/chart/values-schema.ts';
import { jsonSchema } from '../../../src/service/config/json-schema.ts';

const sources = { types: {}, config: closed({}) };
const schemaOf = (text: string, types: Readonly<Record<string, Schema>> = {}, config: Schema = closed({})): Schema =>
  valuesSchema(
    parseChartValues(text, (path) => path in types || path === 'config'),
    { types, config },
  );
const propertiesOf = (schema: Schema): Readonly<Record<string, Schema>> =>
  schema['properties'] as Readonly<Record<string, Schema>>;

describe('the schema of the values of the chart', () => {
  it('is of draft 7, which Helm reads', () => {
    expect(schemaOf('# A.\na: b\n')).to.include({ $schema: 'http://json-schema.org/draft-07/schema#' });
  });

  it('infers texts, numbers, booleans and maps from defaults, with the comments as descriptions', () => {
    const { text, count, flag, map } = propertiesOf(
      schemaOf('# A.\ntext: ""\n# B.\ncount: 3\n# C.\nflag: false\n# D.\nmap:\n  # E.\n  key: ""\n'),
    );
    expect(text).to.deep.equal({ description: 'A.', type: 'string' });
    expect(count).to.deep.equal({ description: 'B.', type: 'integer', minimum: 0 });
    expect(flag).to.deep.equal({ description: 'C.', type: 'boolean' });
    expect(map).to.deep.equal({
      description: 'D.',
      type: 'object',
      properties: { key: { description: 'E.', type: 'string' } },
      additionalProperties: false,
    });
  });

  it('prefers the type of the table', () => {
    const types = { policy: oneOf('Always', 'Never'), labels: texts };
    const { policy, labels } = propertiesOf(schemaOf('# A.\npolicy: Never\n# B.\nlabels: {}\n', types));
    expect(policy).to.deep.equal({ description: 'A.', type: 'string', enum: ['Always', 'Never'] });
    expect(labels).to.deep.equal({ description: 'B.', ...texts });
  });

  it('refuses a value whose default does not show its type', () => {
    expect(() => schemaOf('# A.\nlist: []\n')).to.throw('the type of list is not known');
  });

  it('refuses a type of no value', () => {
    expect(() => valuesSchema([], { ...sources, types: { gone: texts } })).to.throw('no such value of the chart: gone');
  });

  it('permits the key that Helm adds where the chart is part of another one', () => {
    expect(propertiesOf(schemaOf('# A.\na: b\n'))['global']).to.include({ type: 'object' });
  });

  it('contains the schema of the configuration without extensions, also where a key has the name of a keyword', () => {
    const config = {
      $schema: 'x',
      title: 'x',
      type: 'object',
      properties: { examples: { type: 'string', 'x-reload': 'live', examples: ['a'], default: { 'x-a': 1 } } },
    };
    expect(propertiesOf(schemaOf('# The configuration.\nconfig: {}\n', {}, config))['config']).to.deep.equal({
      type: 'object',
      properties: { examples: { type: 'string', default: { 'x-a': 1 } } },
      description: 'The configuration.',
    });
  });

  context('of the chart as it is', () => {
    const file = new URL('../../../charts/kubernetes-worker/values.yaml', import.meta.url);
    const values = parseChartValues(readFileSync(file, 'utf8'), (path) => path in valueTypes || path === 'config');
    const schema = valuesSchema(values, { types: valueTypes, config: jsonSchema() });

    it('refuses unknown keys in every object whose keys it names', () => {
      const open = objectsIn(schema, '').filter(
        ({ node, path }) =>
          node['properties'] !== undefined && node['additionalProperties'] !== false && !/extraVolumes\[\]$/.test(path),
      );
      expect(open.map(({ path }) => path)).to.deep.equal([]);
    });

    it('refers to nothing outside itself', () => {
      expect(JSON.stringify(schema)).not.to.match(/"\$(ref|id)"/);
    });
  });
});

interface Found {
  readonly path: string;
  readonly node: Schema;
}

/** Returns all schemas in a schema, with the path of what they describe. */
function objectsIn(node: Schema, path: string): readonly Found[] {
  const { properties = {}, items } = node as { properties?: Readonly<Record<string, Schema>>; items?: Schema };
  const inner = Object.entries(properties).flatMap(([name, schema]) => objectsIn(schema, `${path}.${name}`));
  return [{ path, node }, ...inner, ...(items === undefined ? [] : objectsIn(items, `${path}[]`))];
}
