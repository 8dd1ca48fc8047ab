import type { SchemaKey } from './schema-keys.ts';

/**
 * Converts the text of a variable or a flag. Returns `undefined` if the text has not the form of the
 * key's type: then it is no value of the key.
 */
export function valueOfText({ type }: SchemaKey, text: string): unknown {
  switch (type) {
    case 'text':
    case 'choice':
      return text;
    case 'integer':
      return /^-?\d{1,16}$/.test(text) ? Number(text) : undefined;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'text or list':
      return text.startsWith('[') ? jsonOf(text) : text;
    case 'list':
    case 'object':
      return jsonOf(text);
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
