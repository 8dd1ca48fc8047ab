import { z } from 'zod';

import { unwrapped } from './schema-keys.ts';

/** Returns the type and the limits of a value, such as `an integer from 1 to 7`. */
export function describeType(schema: z.ZodType): string {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodEnum) return `one of ${inner.options.map((option) => JSON.stringify(option)).join(', ')}`;
  if (inner instanceof z.ZodBoolean) return 'true or false';
  if (inner instanceof z.ZodNumber) return describeInteger(inner);
  if (inner instanceof z.ZodString) return describeText(inner);
  if (inner instanceof z.ZodArray) return describeList(inner);
  if (inner instanceof z.ZodUnion)
    return inner.options.map((option) => describeType(option as z.ZodType)).join(', or ');
  if (inner instanceof z.ZodLiteral) return JSON.stringify(inner.value);
  if (inner instanceof z.ZodObject) return `an object with ${Object.keys(inner.shape).join(', ')}`;
  if (inner instanceof z.ZodRecord)
    return inner.valueType instanceof z.ZodString ? 'an object with texts' : 'an object';
  return 'a value';
}

function describeInteger({ minValue, maxValue }: z.ZodNumber): string {
  const isBounded = maxValue !== null && maxValue < Number.MAX_SAFE_INTEGER;
  return isBounded ? `an integer from ${minValue ?? 0} to ${maxValue}` : `an integer, ${minValue ?? 0} or more`;
}

function describeText(schema: z.ZodString): string {
  const pattern = z.toJSONSchema(schema).pattern;
  if (pattern?.startsWith('^https') === true) return 'an http or https URL without a user and a password';
  if (pattern?.startsWith('^postgres') === true) return 'a URL that begins with postgres:// or postgresql://';
  if (pattern !== undefined) return `a text that matches ${pattern}`;
  const { minLength, maxLength } = schema;
  if (maxLength !== null) return `a text of ${minLength ?? 0} to ${maxLength} characters`;
  return minLength === null ? 'a text' : 'a text that is not empty';
}

function describeList(schema: z.ZodArray): string {
  const element = unwrapped(schema.element as z.ZodType);
  if (element instanceof z.ZodEnum) return `a list of ${describeType(element).replace('one of ', '')}`;
  if (element instanceof z.ZodString) return 'a list of texts';
  return element instanceof z.ZodNumber ? 'a list of integers' : 'a list of objects';
}
