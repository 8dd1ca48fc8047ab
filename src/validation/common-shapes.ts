import * as v from 'valibot';

/** Returns the shape of an object with these methods. Errors describe it by `noun`. */
export function withMethods(noun: string, names: readonly string[]): v.GenericSchema {
  return v.custom(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      names.every((name) => typeof Reflect.get(value, name) === 'function'),
    noun,
  );
}

export const text: v.GenericSchema = v.string();
export const optionalText: v.GenericSchema = v.optional(v.string());
export const optionalNumber: v.GenericSchema = v.optional(v.number());
export const optionalMs: v.GenericSchema = v.optional(
  v.pipe(
    v.number(),
    v.check((ms) => Number.isSafeInteger(ms) && ms > 0, 'a positive number of milliseconds'),
  ),
);
export const optionalBoolean: v.GenericSchema = v.optional(v.boolean());
export const optionalDate: v.GenericSchema = v.optional(v.custom((value) => value instanceof Date, 'a Date'));
export const optionalTexts: v.GenericSchema = v.optional(v.array(v.string()));
export const optionalTextByName: v.GenericSchema = v.optional(v.record(v.string(), v.string()));
export const optionalSignal: v.GenericSchema = v.optional(
  withMethods('an AbortSignal', ['addEventListener', 'throwIfAborted']),
);
export const optionalFunction: v.GenericSchema = v.optional(
  v.custom((value) => typeof value === 'function', 'a function'),
);
export const readable: v.GenericSchema = withMethods('a readable stream', ['read', 'on']);
export const writable: v.GenericSchema = withMethods('a writable stream', ['write', 'on']);

/** The options of a call that has only a signal. */
export const abortOptions: v.GenericSchema = v.object({ signal: optionalSignal });

/** A readable stream, an async iterable, or a function that opens one. */
export const streamSource: v.GenericSchema = v.custom(
  (value) =>
    typeof value === 'function' || (typeof value === 'object' && value !== null && Symbol.asyncIterator in value),
  'a stream, an async iterable or a function that opens one',
);

export const artifact: v.GenericSchema = v.custom(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    'streamOut' in value &&
    'handle' in value &&
    typeof value.streamOut === 'function',
  'an artifact',
);
