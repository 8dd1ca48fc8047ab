import { expect } from 'chai';
import { stringify } from 'yaml';

import { configSchema } from '../../../../src/service/config/config.ts';
import { type SchemaKey, schemaKeys } from '../../../../src/service/config/schema-keys.ts';
import { type ValueTree, valueAt, withValue } from '../../../../src/service/config/value-tree.ts';
import { ConfigFolder } from '../../../support/service/config-folder.ts';

/** Keys that the checks between keys require beside a key. */
const companions: Readonly<Record<string, ValueTree>> = {
  'status.host': { status: { auth: 'tokenReview' } },
  'status.tokenFile': { status: { auth: 'token' } },
  'caches.maxBytes': { caches: { maxKeyBytes: 1 } },
  'transfers.firstRetryMs': { transfers: { longestRetryMs: 100_000 } },
  'telemetry.traces': { telemetry: { otlp: { endpoint: 'http://otlp' } } },
  'telemetry.otlp.headersFile': { telemetry: { otlp: { endpoint: 'http://otlp' } } },
  'stores.s3.accessKeyIdFile': { stores: { s3: { secretAccessKeyFile: '/secret' } } },
  'stores.s3.secretAccessKeyFile': { stores: { s3: { accessKeyIdFile: '/id' } } },
  'stores.s3.sessionTokenFile': { stores: { s3: { accessKeyIdFile: '/id', secretAccessKeyFile: '/secret' } } },
};

/** Returns another value than the example that the key accepts. */
function otherValue({ facts: { example }, type, choices, default: preset }: SchemaKey): unknown {
  if (preset !== undefined) return preset;
  if (type === 'choice') return choices?.find((choice) => choice !== example);
  if (typeof example === 'string') return `${example}x`;
  if (typeof example === 'number') return example + 1;
  if (typeof example === 'boolean') return !example;
  return Array.isArray(example) ? [...example, ...example] : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

describe('the precedence of sources', () => {
  let folder: ConfigFolder;

  before(async () => {
    folder = await ConfigFolder.create();
  });

  after(async () => {
    await folder.remove();
  });

  /** Returns a file that is valid with the key, and has this value of it. */
  function fileWith({ path }: SchemaKey, value: unknown): string {
    const section = path.startsWith('stores.s3') ? { s3: { bucket: 'b' } } : { pvc: { claim: 'c' } };
    const base = { worker: { name: 'ci' }, stores: section };
    const [[name, companion] = ['', undefined]] = Object.entries(companions[path] ?? {});
    const tree = companion === undefined ? base : { ...base, [name]: merged(name, companion) };
    return stringify(withValue(tree, path, value));
  }

  function merged(name: string, companion: unknown): unknown {
    const s3 = valueAt(companion, 's3');
    return name === 'stores' ? { s3: { bucket: 'b', ...(s3 as object) } } : companion;
  }

  for (const key of schemaKeys)
    it(`is default, file, variable, flag for ${key.path}`, async () => {
      const { path, env, flag, facts } = key;
      const [one, other] = [facts.example, otherValue(key)];
      expect(configSchema.safeParse(withValue({}, path, other)).success).to.equal(true);
      const fromFile = await folder.load(fileWith(key, one));
      expect(valueAt(fromFile.config, path)).to.deep.equal(one);
      expect(fromFile.origins[path]).to.include({ kind: 'file' }).and.to.include.keys('line', 'column');

      const fromVariable = await folder.load(fileWith(key, one), { env: { [env]: textOf(other) } });
      expect(valueAt(fromVariable.config, path)).to.deep.equal(other);
      expect(fromVariable.origins[path]).to.deep.equal({ kind: 'environment', variable: env });

      const fromFlag = await folder.load(fileWith(key, other), {
        env: { [env]: textOf(other) },
        flags: { [path]: textOf(one) },
      });
      expect(valueAt(fromFlag.config, path)).to.deep.equal(one);
      expect(fromFlag.origins[path]).to.deep.equal({ kind: 'flag', flag });
    });
});
