/** A type whose fields can be written and are never explicitly `undefined`. */
export type Copy<T> = { -readonly [Key in keyof T]: Copy<Exclude<T[Key], undefined>> };

/** Returns a copy without fields that are `undefined`: Kubernetes objects have none. */
export function copyOf<T extends object>(value: T): Copy<T> {
  return JSON.parse(JSON.stringify(value)) as Copy<T>;
}
