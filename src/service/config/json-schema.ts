import { z } from 'zod';

import { configSchema } from './config.ts';

/** A JSON Schema, as a plain object. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * Returns the schema of a configuration file as JSON Schema of draft 7, which Helm, editors and ajv
 * accept. It refers to nothing outside itself. What it has beside the standard begins with `x-`.
 */
export function jsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(configSchema, {
    target: 'draft-7',
    io: 'input',
    reused: 'inline',
    override: ({ jsonSchema: node }) => rename(node),
  });
  return { title: 'The configuration of kubernetes-worker', ...schema };
}

/** Gives the facts of a key the names that JSON Schema has for them. */
function rename(node: Record<string, unknown>): void {
  const { secret, reload, unset, mandatory, example, default: preset } = node;
  for (const name of ['secret', 'reload', 'unset', 'mandatory', 'example']) delete node[name];
  // The default of a section is that of its keys.
  if (preset !== undefined && node['type'] === 'object') delete node['default'];
  if (example !== undefined) node['examples'] = [example];
  if (secret === true) node['x-secret'] = true;
  if (mandatory === true) node['x-required'] = true;
  if (reload !== undefined) node['x-reload'] = reload;
  if (unset !== undefined) node['x-unset'] = unset;
}
