import { z } from 'zod';

/** What the schema holds about a key beside its type, its default and its limits. */
export interface KeyFacts {
  /** What the key does, in Markdown. */
  readonly description: string;
  /** A value that is accepted. */
  readonly example?: unknown;
  /** Whether the value is never printed. @defaultValue false */
  readonly secret?: boolean;
  /** Whether a running service applies a change of the key. @defaultValue `'restart'` */
  readonly reload?: 'live' | 'restart';
  /** What holds if the key has no value and no default. */
  readonly unset?: string;
  /** Whether the key must have a value if its section exists. @defaultValue false */
  readonly mandatory?: boolean;
}

/** A schema for each field of a section. A field without one, or of another type, is a compile error. */
export type Shape<T> = { readonly [K in keyof T]-?: z.ZodType<T[K]> };

/** Returns the schema of one key. The facts become part of the JSON Schema and of the documentation. */
export function key<T extends z.ZodType>(type: T, facts: KeyFacts): T {
  return type.meta({ ...facts, secret: facts.secret ?? false, reload: facts.reload ?? 'restart' });
}

/**
 * Returns the schema of a key that must have a value once all sources are merged. One source alone may
 * lack it, so the schema itself accepts its absence.
 */
export function requiredKey<T>(type: z.ZodType<T>, facts: KeyFacts): z.ZodType<T> {
  const optional: z.ZodType = key(type.optional(), { ...facts, mandatory: true });
  return optional as z.ZodType<T>;
}

/** Returns the schema of a section. Its absence is the section with all defaults. */
export function section<T extends object>(shape: Shape<T>): z.ZodType<T> {
  const fields: z.core.$ZodLooseShape = shape;
  const schema: z.ZodType = z.strictObject(fields).prefault({});
  return schema as z.ZodType<T>;
}

/** Returns the schema of a section that may be absent, which differs from an empty one. */
export function optionalSection<T extends object>(shape: Shape<T>): z.ZodType<T | undefined> {
  const schema: z.ZodType = z.strictObject(shape).optional();
  return schema as z.ZodType<T | undefined>;
}

/** A text that is not empty. */
export const text: z.ZodString = z.string().min(1);

/** The path of a file. */
export const path: z.ZodString = z.string().min(1);

/** A whole number, one or more. */
export const positive: z.ZodInt = z.int().min(1);

/** A duration in milliseconds, up to 24 days, the longest time that a timer of Node can wait. */
export const durationMs: z.ZodInt = z.int().min(1).max(2_147_483_647);

/** The numeric ID of a user or a group. */
export const numericId: z.ZodInt = z.int().min(0).max(2_147_483_647);

/** The port of a listener. With 0, the system chooses one. */
export const port: z.ZodInt = z.int().min(0).max(65_535);

/** The URL of a server, without a user and a password. */
export const httpUrl: z.ZodString = z.string().regex(/^https?:\/\/[^\s/?#@]+([/?#][^\s@]*)?$/);

export const texts: z.ZodArray<z.ZodString> = z.array(text);

export const textByName: z.ZodRecord<z.ZodString, z.ZodString> = z.record(z.string(), z.string());

/** An object in the form of Kubernetes' own, which the library checks. */
export const kubernetesObject: z.ZodRecord<z.ZodString, z.ZodUnknown> = z.record(z.string(), z.unknown());
