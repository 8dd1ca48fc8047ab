import { parse } from 'yaml';

import { closed, fileName, type JsonSchema, mapSchema, ofKind, stringOrNumber } from './json-schema.ts';

interface CustomResourceDefinition {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly {
      readonly name: string;
      readonly schema: { readonly openAPIV3Schema: JsonSchema };
    }[];
  };
}

/** A schema of each version of the kind that a CustomResourceDefinition defines, by the name of its file. */
export function customKinds(manifest: string, metadata: JsonSchema): ReadonlyMap<string, JsonSchema> {
  const { spec } = parse(manifest) as CustomResourceDefinition;
  const { definitions = {}, ...metadataWithout } = metadata;
  return new Map(
    spec.versions.map(({ name: version, schema }) => {
      const kind = { group: spec.group, version, kind: spec.names.kind };
      const strict = mapSchema(schema.openAPIV3Schema, (part) => closed(asScalar(part)));
      const properties = { ...strict.properties, metadata: metadataWithout };
      return [fileName(kind), { ...ofKind({ ...strict, properties }, kind), definitions }];
    }),
  );
}

function asScalar(schema: JsonSchema): JsonSchema {
  return schema['x-kubernetes-int-or-string'] === true ? stringOrNumber : schema;
}
