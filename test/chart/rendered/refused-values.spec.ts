import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { expect } from 'chai';
import { parse } from 'yaml';

import {
  chartFolder,
  HelmError,
  type HelmVersion,
  profileFile,
  profiles,
  renderText,
} from '../../support/chart/helm.ts';
import { rejection } from '../../support/rejection.ts';

const folder = fileURLToPath(new URL('../values-bad', import.meta.url));
/** Those of `schema` are refused by the schema, the others by a template. */
const fixtures = ['schema', 'contradictions', 'policies'].flatMap((kind) =>
  readdirSync(join(folder, kind))
    .sort()
    .map((file) => join(kind, file)),
);
const schemaText = readFileSync(join(chartFolder, 'values.schema.json'), 'utf8');

describe('values that the chart refuses, each with the message in the first line of its file', () => {
  for (const fixture of fixtures)
    it(basename(fixture, '.yaml').replaceAll('-', ' '), async () => {
      const file = join(folder, fixture);
      const expected = /^# (.*)$/m.exec(readFileSync(file, 'utf8'))?.[1];
      expect(expected, 'the first line of the file').to.be.a('string');
      const messages = await Promise.all(([3, 4] as const).map(async (version) => await refusal(file, version)));
      for (const [index, message] of messages.entries()) {
        const version = index + 3;
        expect(message, `Helm ${version}`).to.contain(expected);
        // A second reason would hide that the first one is missing.
        expect(message.match(/^- at |execution error/gm), `Helm ${version}: ${message}`).to.have.length(1);
        expect(message).not.to.contain('hunter2');
      }
    });

  async function refusal(file: string, version: HelmVersion): Promise<string> {
    const error = await rejection(renderText({ profile: 'minimal', files: [file], version }));
    expect(error).to.be.instanceOf(HelmError);
    return (error as HelmError).message;
  }
});

describe('the schema of the values', () => {
  const schema = JSON.parse(schemaText) as Schema;

  it('is one of draft-07 that needs no other file', () => {
    expect(schema.$schema).to.equal('http://json-schema.org/draft-07/schema#');
    expect(schemaText)
      .not.to.match(/"\$ref": *"(?!#)/)
      .and.not.match(/unevaluated|dependentRequired|\$defs|prefixItems/);
  });

  it('accepts the values of the chart and of each profile', () => {
    const ajv = new Ajv({ strict: true, allErrors: true, allowUnionTypes: true });
    addFormats.default(ajv);
    const validate = ajv.compile(schema as object);
    const defaults = parse(readFileSync(join(chartFolder, 'values.yaml'), 'utf8')) as unknown;
    expect(validate(defaults), JSON.stringify(validate.errors)).to.equal(true);
    for (const profile of profiles)
      expect(
        validate(parse(readFileSync(profileFile(profile), 'utf8'))),
        `${profile}: ${JSON.stringify(validate.errors)}`,
      ).to.equal(true);
  });

  it('is closed: whatever lists its properties refuses others', () => {
    for (const [path, part] of parts(schema))
      if (part.properties !== undefined && !open.includes(path))
        expect(part.additionalProperties, path).not.to.be.oneOf([undefined, true]);
  });

  it('describes every key', () => {
    for (const [key, part] of Object.entries(schema.properties ?? {}))
      expect(part.description ?? part.title ?? part.$ref, key).to.be.a('string');
  });
});

/** A volume has a key for each plugin: Kubernetes says which there are. */
const open: readonly string[] = ['#/properties/extraVolumes/items'];

interface Schema {
  readonly $schema?: string;
  readonly $ref?: string;
  readonly title?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly [key: string]: unknown;
}

/** Returns each schema in a schema with its path. */
function parts(schema: Schema, path = '#'): readonly (readonly [path: string, schema: Schema])[] {
  const children = ['properties', 'definitions', 'patternProperties'].flatMap((key) =>
    Object.entries((schema[key] ?? {}) as Record<string, Schema>).map(
      ([name, child]) => [`${path}/${key}/${name}`, child] as const,
    ),
  );
  const single = ['items', 'additionalProperties', 'not'].flatMap((key) =>
    isSchema(schema[key]) ? [[`${path}/${key}`, schema[key]] as const] : [],
  );
  const several = ['anyOf', 'oneOf', 'allOf'].flatMap((key) =>
    ((schema[key] ?? []) as readonly Schema[]).map((child, index) => [`${path}/${key}/${index}`, child] as const),
  );
  return [[path, schema], ...[...children, ...single, ...several].flatMap(([at, child]) => parts(child, at))];
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null;
}
