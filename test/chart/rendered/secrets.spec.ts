import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { chartFolder, renderText } from '../../support/chart/helm.ts';
import { containersOf, podsOf } from '../../support/chart/pods.ts';
import { ofKind } from '../../support/chart/rendered-object.ts';
import { forEachValueSet, objectsOf, valueSets } from '../../support/chart/value-sets.ts';

const secretKey = /pass(word|wd)?|token|secret|credential|private|accesskey/i;

describe('secrets and the chart', () => {
  forEachValueSet('no Secret is rendered', (objects) => {
    expect(ofKind(objects, 'Secret')).to.deep.equal([]);
  });

  forEachValueSet('no key of a ConfigMap holds a secret: such keys name files', (objects) => {
    for (const { metadata, data = {} } of ofKind(objects, 'ConfigMap')) {
      for (const key of Object.keys(data)) expect(key, metadata.name).not.to.match(secretKey);
      const config = data['config.yaml'];
      if (config === undefined) continue;
      for (const [path, value] of leaves(parse(config)))
        if (secretKey.test(path.at(-1) ?? ''))
          expect(value, `${metadata.name}: ${path.join('.')}`).to.satisfy(isHarmless);
    }
  });

  forEachValueSet('no container has a secret in its variables or arguments', (objects) => {
    for (const pod of podsOf(objects))
      for (const { name, env = [], args = [], command = [] } of containersOf(pod)) {
        for (const variable of env)
          if (secretKey.test(variable.name)) expect(variable, `${pod.of}, ${name}`).not.to.have.property('value');
        for (const word of [...command, ...args])
          expect(word, `${pod.of}, ${name}`).not.to.match(/^--\S*(password|token|secret)/i);
      }
  });

  forEachValueSet(
    'only the keys of the Secret that the service needs are mounted, and not for everyone to read',
    (objects) => {
      for (const { of, spec } of podsOf(objects))
        for (const { name, secret } of spec.volumes ?? [])
          if (secret && name === 'secrets') {
            expect(
              secret.items?.map(({ path }) => path),
              of,
            ).to.satisfy((paths: readonly string[] | undefined) =>
              paths?.every((path) => ['database-url', 'status-token'].includes(path)),
            );
            expect((secret.defaultMode ?? 0o644) & 0o007, of).to.equal(0);
          }
    },
  );

  it('the values that Helm stores with the release have no key for a secret', async () => {
    const values: unknown = parse(await readFile(join(chartFolder, 'values.yaml'), 'utf8'));
    for (const [path, value] of leaves(values))
      if (secretKey.test(path.at(-1) ?? ''))
        expect(value, path.join('.')).to.satisfy(
          (v: unknown) => v === '' || isHarmless(v) || path[0] === 'existingSecret' || path[0] === 'secretKeys',
        );
  });

  it('no template looks anything up, or makes anything random or new at each rendering', async () => {
    const folder = join(chartFolder, 'templates');
    const random = /\b(lookup|rand[A-Z]\w*|gen[A-Z]\w*|uuidv4|now|htpasswd|derivePassword|shuffle)\b/;
    for (const file of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const text = await readFile(join(file.parentPath, file.name), 'utf8');
      for (const [action] of text.matchAll(/\{\{[^"]*?\}\}/gs)) expect(action, file.name).not.to.match(random);
      expect(text, file.name).not.to.contain('.Capabilities.APIVersions');
    }
  });

  it('manifests differ in nothing that Kubernetes decides: the version of Kubernetes changes none', async () => {
    const set = valueSets.find(({ name }) => name === 'every key');
    const old = await renderText({ ...set?.options, kubeVersion: '1.30.0' });
    expect(await renderText({ ...set?.options, kubeVersion: '1.36.0' })).to.equal(old);
    expect(await objectsOf(set!)).not.to.deep.equal([]);
  });
});

/** A file's path, a switch, or the name of a way to authenticate. */
function isHarmless(value: unknown): boolean {
  return value === null || typeof value === 'boolean' || (typeof value === 'string' && value.startsWith('/'));
}

function leaves(
  value: unknown,
  path: readonly string[] = [],
): readonly (readonly [path: readonly string[], value: unknown])[] {
  if (typeof value !== 'object' || value === null) return [[path, value]];
  return Object.entries(value).flatMap(([key, child]) => leaves(child, [...path, key]));
}
