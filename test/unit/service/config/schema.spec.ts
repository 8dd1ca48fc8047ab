import { readFileSync } from 'node:fs';

import { expect } from 'chai';

import { optionKeys } from '../../../../src/service/config/checked-by-library.ts';
import { configSchema } from '../../../../src/service/config/config.ts';
import { configKeys } from '../../../../src/service/config/keys.generated.ts';
import { schemaKeys } from '../../../../src/service/config/schema-keys.ts';
import { valueAt, withValue } from '../../../../src/service/config/value-tree.ts';
import { keepingOf, withDefaults } from '../../../../src/worker-options.ts';

const preset = configSchema.parse({});

describe('the schema of the configuration', () => {
  it('has a description, an example and a statement about its absence for each key', () => {
    for (const { path, facts, required, default: value } of schemaKeys) {
      expect(facts.description, path).to.match(/\.$/);
      expect(facts, path).to.have.property('example');
      expect([value !== undefined, required, facts.unset !== undefined].filter(Boolean), path).to.have.length(1);
    }
  });

  it('has a unit in the name of each key that has one', () => {
    for (const { path, facts } of schemaKeys)
      if (/how (long|often)|maximum time|duration|delay/i.test(facts.description) && typeof facts.example === 'number')
        expect(path).to.match(/Ms$/);
  });

  it('has one variable and one flag for each key', () => {
    for (const name of ['env', 'flag'] as const)
      expect(new Set(schemaKeys.map((key) => key[name])).size, name).to.equal(schemaKeys.length);
    const { env, flag } = schemaKeys.find(({ path }) => path === 'stores.s3.accessKeyIdFile')!;
    expect([env, flag]).to.deep.equal(['KW_STORES_S3_ACCESS_KEY_ID_FILE', '--stores-s3-access-key-id-file']);
  });

  it('accepts each example', () => {
    for (const { path, facts } of schemaKeys) {
      const { success } = configSchema.safeParse(withValue({}, path, facts.example));
      expect(success, path).to.equal(true);
    }
  });

  it('has an example other than the default for each key', () => {
    for (const { path, facts, default: value } of schemaKeys) expect(facts.example, path).to.not.deep.equal(value);
  });

  it('returns the same configuration for its own result', () => {
    expect(configSchema.parse(preset)).to.deep.equal(preset);
  });

  it('has the defaults of the library', () => {
    const options = { name: 'ci', database: '' };
    const { artifactTimeToLiveMs, cacheTimeToLiveMs, finishedOwnerTtlMs, ...limits } = withDefaults(options);
    const { maxAttachments, ...ofLimits } = preset.limits;
    expect(ofLimits).to.deep.equal(limits);
    expect(maxAttachments).to.equal(512);
    expect(preset.artifacts.timeToLiveMs).to.equal(artifactTimeToLiveMs);
    expect(preset.caches.timeToLiveMs).to.equal(cacheTimeToLiveMs);
    const { maxKept: maxContainers, maxKeptMs: maxAgeMs } = keepingOf(options);
    expect(preset.retention).to.deep.equal({ finishedOwnerTtlMs, maxContainers, maxAgeMs });
  });

  it('has the defaults that the documentation of the library states', () => {
    const sources = ['transfer-options.ts', 'image.ts', 'pod-options.ts', '../stores/stores-options.ts'];
    const text = sources.map((file) =>
      readFileSync(new URL(`../../../../src/runtime/${file}`, import.meta.url), 'utf8'),
    );
    const stated = new Map(
      [...text.join('').matchAll(/@defaultValue ([\d,]+|true|false|`'\w+'`)[^/]*\*\/\s+readonly (\w+)\?:/g)].map(
        ([, value = '', name = '']) => [name, value.replaceAll(/[,`']/g, '')],
      ),
    );
    const sections = /^(transfers|images|pods|stores)\.(\w+)$/;
    const own = schemaKeys.filter(({ path, default: value }) => sections.test(path) && value !== undefined);
    const found = own.map(({ path }) => [path, stated.get(sections.exec(path)?.[2] ?? '')]);
    expect(found.length).to.be.greaterThan(12);
    expect(found).to.deep.equal(
      own.map(({ path, default: value }) => [path, Array.isArray(value) ? undefined : String(value)]),
    );
  });

  it('has a key or a section for each option of the library', () => {
    for (const [option, path] of Object.entries(optionKeys)) {
      const found = schemaKeys.filter((key) => key.path === path || key.path.startsWith(`${path}.`));
      expect(found, option).to.not.deep.equal([]);
    }
  });

  it('has the keys of the generated table', () => {
    const plain = schemaKeys.map(({ schema: _s, facts: _f, required: _r, default: _d, ...entry }) => entry);
    expect(configKeys).to.deep.equal(plain);
  });

  it('has a section or a default wherever a key has one', () => {
    for (const { path, default: value } of schemaKeys)
      if (!path.startsWith('stores.pvc.') && !path.startsWith('stores.s3.'))
        expect(valueAt(preset, path), path).to.deep.equal(value);
  });
});
