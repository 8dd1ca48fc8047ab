import { schemaKeys } from '../../src/service/config/schema-keys.ts';
import { generatedComment } from './generated-comment.ts';

/** The keys of the configuration whose defaults the templates need. */
const neededKeys = [
  'worker.labelPrefix',
  'worker.volumeImage',
  'worker.agentConfigMap',
  'worker.podObservation',
  'images.preflight',
  'status.port',
  'metrics.port',
  'shutdown.graceMs',
];

/** Returns the template with the defaults that the program has, and with the keys that it reads while it runs. */
export function configDefaultsTemplate(): string {
  const live = schemaKeys.filter(({ reload }) => reload === 'live').map(({ path }) => sectionAndName(path));
  return [
    generatedComment('src/service/config'),
    define('configDefaults', JSON.stringify(defaults())),
    define('liveKeys', JSON.stringify(live)),
  ].join('\n\n');
}

function define(name: string, json: string): string {
  return `{{- define "kubernetes-worker.${name}" -}}\n${json}\n{{- end }}`;
}

/** @throws if the schema has no default for a key that the templates need */
function defaults(): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  const values: Record<string, Record<string, unknown>> = {};
  for (const path of neededKeys) {
    const found = schemaKeys.find((key) => key.path === path);
    if (found?.default === undefined) throw new Error(`the schema of the configuration has no default for ${path}`);
    const { section, name } = sectionAndName(path);
    values[section] = { ...values[section], [name]: found.default };
  }
  return values;
}

/** @throws if the key is not one of a section at the top level */
function sectionAndName(path: string): { readonly section: string; readonly name: string } {
  const [section = '', name = '', ...rest] = path.split('.');
  if (name === '' || rest.length > 0) throw new Error(`${path} is not a key of a section at the top level`);
  return { section, name };
}
