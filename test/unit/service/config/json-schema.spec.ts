import { Ajv } from 'ajv';
import { expect } from 'chai';
import fc from 'fast-check';

import { configSchema } from '../../../../src/service/config/config.ts';
import { jsonSchema } from '../../../../src/service/config/json-schema.ts';
import { schemaKeys } from '../../../../src/service/config/schema-keys.ts';
import { type ValueTree, valueAt, withValue } from '../../../../src/service/config/value-tree.ts';

const ajv = new Ajv({ strict: true, allowUnionTypes: true });
for (const keyword of ['x-secret', 'x-reload', 'x-unset', 'x-required']) ajv.addKeyword(keyword);

const junk = fc.oneof(
  fc.constantFrom('', 'x', 'all', 'always', 'https://a.example', 'https://u@a.example', 'postgres://a', 'postgres://'),
  fc.integer({ min: -2, max: 70_000 }),
  fc.constantFrom(2 ** 31, 2 ** 53, 0.5, true, false, null),
  fc.array(fc.constantFrom<unknown>('', 'x', 1, {}, { name: 'x' }, { name: 'x', deny: [1] }, { nme: 'x' }), {
    maxLength: 2,
  }),
  fc.dictionary(fc.constantFrom('a', 'cpuMilli', 'name'), fc.constantFrom<unknown>('', 'x', 1, {}), { maxKeys: 2 }),
);

const assignment = fc
  .constantFrom(...schemaKeys)
  .chain((key) => fc.tuple(fc.constant(key.path), fc.oneof(fc.constant(key.facts.example), junk)));

const unknownKey = fc.tuple(fc.constantFrom('x', 'worker.x', 'stores.s3.x', 'limits', 'stores', 'pods'), junk);

const tree = fc
  .array(fc.oneof({ weight: 9, arbitrary: assignment }, { weight: 1, arbitrary: unknownKey }), { maxLength: 4 })
  .map((values) => values.reduce<ValueTree>((all, [path, value]) => withValue(all, path, value), {}));

describe('the JSON Schema of the configuration', () => {
  const validate = ajv.compile(jsonSchema());

  it('accepts and refuses the same values as the schema', () => {
    const seen = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(tree, (value) => {
        const { success } = configSchema.safeParse(value);
        seen[success ? 'accepted' : 'refused'] += 1;
        expect(validate(value)).to.equal(success);
      }),
      { numRuns: 1_000 },
    );
    expect(Math.min(seen.accepted, seen.refused)).to.be.greaterThan(0);
  });

  it('refers to nothing outside itself', () => {
    expect(JSON.stringify(jsonSchema())).to.not.match(/"\$(ref|id)"/);
  });

  it('holds the facts of a key', () => {
    const at = (path: string): Readonly<Record<string, unknown>> =>
      valueAt(jsonSchema(), `properties.${path.replaceAll('.', '.properties.')}`) as Readonly<Record<string, unknown>>;
    expect(at('logging.level')).to.deep.equal({
      description: 'The lowest level of the messages that are logged.',
      type: 'string',
      enum: ['debug', 'info', 'warn', 'error'],
      default: 'info',
      examples: ['debug'],
      'x-reload': 'live',
    });
    expect(at('database.url')['x-secret']).to.equal(true);
    expect(at('worker.name')['x-required']).to.equal(true);
  });
});
