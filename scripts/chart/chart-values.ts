import { isMap, isNode, isScalar, parseDocument, type YAMLMap } from 'yaml';

/** A value of the chart, as its file of values has it. */
export interface ChartValue {
  /** The names from the top level to the value. */
  readonly path: string;
  readonly name: string;
  /** The comment above it, as one line. */
  readonly description: string;
  readonly default: unknown;
  /** The values of a map, in the order of the file. */
  readonly children: readonly ChartValue[];
}

/**
 * Returns the values of a chart's file of values.
 *
 * @param isWhole - whether a map is one value. The keys in it then have no description of their own
 * @throws if the text is not a map in YAML, or if a value has no comment
 */
export function parseChartValues(text: string, isWhole: (path: string) => boolean): readonly ChartValue[] {
  const { contents, errors } = parseDocument(text);
  const [error] = errors;
  if (error !== undefined) throw error;
  if (!isMap(contents)) throw new Error('the file of values is not a map');
  return valuesOf(contents, '', isWhole);
}

function valuesOf(map: YAMLMap, parent: string, isWhole: (path: string) => boolean): readonly ChartValue[] {
  return map.items.map(({ key, value }, index) => {
    if (!isScalar(key)) throw new Error(`a key in ${parent} is not a text`);
    const name = String(key.value);
    const path = parent === '' ? name : `${parent}.${name}`;
    // The comment above the first key of a map belongs to the map.
    const comment = key.commentBefore ?? (index === 0 ? map.commentBefore : undefined);
    return {
      path,
      name,
      description: descriptionOf(path, comment),
      default: isNode(value) ? (value.toJSON() as unknown) : undefined,
      children: isMap(value) && !isWhole(path) ? valuesOf(value, path, isWhole) : [],
    };
  });
}

/** Returns the last paragraph of a comment. What is above it concerns the values that follow as well. */
function descriptionOf(path: string, comment: string | null | undefined): string {
  const paragraph = (comment ?? '').split(/\n\s*\n/).at(-1) ?? '';
  const description = paragraph.replace(/\s+/g, ' ').trim();
  if (description === '') throw new Error(`the value ${path} has no comment`);
  return description;
}
