/** Values by name, as a source holds them. */
export type ValueTree = Readonly<Record<string, unknown>>;

export function isTree(value: unknown): value is ValueTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns the value of a path such as `stores.s3.bucket`. */
export function valueAt(tree: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, name) => (isTree(value) && Object.hasOwn(value, name) ? value[name] : undefined), tree);
}

/** Returns the tree with another value at a path. Sections that are missing are created. */
export function withValue(tree: ValueTree, path: string, value: unknown): ValueTree {
  const [name = '', ...rest] = path.split('.');
  if (rest.length === 0) return { ...tree, [name]: value };
  const section = Object.hasOwn(tree, name) ? tree[name] : undefined;
  return { ...tree, [name]: withValue(isTree(section) ? section : {}, rest.join('.'), value) };
}
