/** Where a value comes from. Lines and columns begin with 1. */
export type Origin =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly file: string; readonly line?: number; readonly column?: number }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'flag'; readonly flag: string };

/** The origins of the values, by the path of the key. A key that is not listed has its default. */
export type Origins = Readonly<Record<string, Origin>>;

/** Returns an origin in the form of messages, such as `config.yaml:5:10`. */
export function formatOrigin(origin: Origin): string {
  switch (origin.kind) {
    case 'default':
      return 'default';
    case 'environment':
      return `variable ${origin.variable}`;
    case 'flag':
      return `flag ${origin.flag}`;
    case 'file':
      return [origin.file, origin.line, origin.column].filter((part) => part !== undefined).join(':');
  }
}
