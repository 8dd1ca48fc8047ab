import { isUtf8 } from 'node:buffer';

import { InvalidSpecError } from '../../errors/caller.ts';
import { ProtocolViolationError } from '../../errors/connection.ts';
import { type ControlType, FrameType, MAX_CONTROL_BYTES } from './frame.ts';

/** A text that may not be UTF-8: file names, arguments, environment. */
export type AgentText = string | Uint8Array;

/** A value in a control frame. Bytes are texts; `undefined` members are omitted. */
export type ControlValue = AgentText | number | boolean | null | readonly ControlValue[] | ControlObject;

export interface ControlObject {
  readonly [name: string]: ControlValue | undefined;
}

/**
 * Encodes the JSON text of a control frame.
 *
 * @throws InvalidSpecError - a text is not well-formed Unicode, or the whole is too long
 */
export function encodeControl(value: ControlObject): Buffer {
  const text = Buffer.from(JSON.stringify(plain(value, '')));
  if (text.length > MAX_CONTROL_BYTES)
    throw new InvalidSpecError(
      'args',
      `arguments, environment and names are ${text.length} bytes together, more than ${MAX_CONTROL_BYTES}`,
    );
  return text;
}

function plain(value: ControlValue | undefined, field: string): unknown {
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new InvalidSpecError(field, 'is not well-formed Unicode');
    return value;
  }
  if (value instanceof Uint8Array)
    return isUtf8(value) ? Buffer.from(value).toString() : { b64: Buffer.from(value).toString('base64') };
  if (isList(value)) return value.map((element, index) => plain(element, `${field}[${index}]`));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, plain(member, field === '' ? name : `${field}.${name}`)]),
  );
}

function isList(value: ControlValue | undefined): value is readonly ControlValue[] {
  return Array.isArray(value);
}

/** The maximum number of characters of the agent's text in an error message. */
const MAX_QUOTED = 200;

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(FrameType).map(([name, type]) => [type, name]));

/** The untrusted object in a control frame of the agent. Each member is checked when it is read. */
export class Fields {
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #where: string;

  private constructor(value: unknown, where: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new ProtocolViolationError(`${where} is not an object`);
    this.#values = new Map(Object.entries(value));
    this.#where = where;
  }

  /** @throws ProtocolViolationError - the text is not the JSON text of an object */
  static parse(type: ControlType, text: Buffer): Fields {
    const where = NAMES.get(type) ?? 'control frame';
    if (!isUtf8(text)) throw new ProtocolViolationError(`${where} is not UTF-8`);
    try {
      return new Fields(JSON.parse(text.toString()), where);
    } catch (error) {
      if (error instanceof ProtocolViolationError) throw error;
      throw new ProtocolViolationError(`${where} is not JSON: ${text.toString('utf8', 0, MAX_QUOTED)}`, {
        cause: error,
      });
    }
  }

  /** Whether the member exists and is not null. */
  has(name: string): boolean {
    return (this.#values.get(name) ?? undefined) !== undefined;
  }

  /** Returns a non-negative safe integer, such as a count or an offset. */
  count(name: string): number {
    const value = this.#values.get(name);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw this.#wrong(name, 'a count');
    return value;
  }

  /** Returns a count, or `undefined` for -1, which means unknown. */
  knownCount(name: string): number | undefined {
    return this.#values.get(name) === -1 ? undefined : this.count(name);
  }

  boolean(name: string): boolean {
    const value = this.#values.get(name);
    if (typeof value !== 'boolean') throw this.#wrong(name, 'true or false');
    return value;
  }

  string(name: string): string {
    const value = this.#values.get(name);
    if (typeof value !== 'string') throw this.#wrong(name, 'a string');
    return value;
  }

  /** Returns a text for display. Bytes that are not UTF-8 become U+FFFD. */
  text(name: string): string {
    const value = this.#values.get(name);
    if (typeof value === 'string') return value;
    return Buffer.from(this.object(name).string('b64'), 'base64').toString();
  }

  /** Returns a string that is one of `words`. */
  word<T extends string>(name: string, words: readonly T[]): T {
    const value = this.#values.get(name);
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw this.#wrong(name, `one of ${words.join(', ')}`);
    return word;
  }

  object(name: string): Fields {
    return new Fields(this.#values.get(name), `${this.#where}.${name}`);
  }

  objects(name: string): Fields[] {
    return this.#list(name).map((element, index) => new Fields(element, `${this.#where}.${name}[${index}]`));
  }

  strings(name: string): string[] {
    return this.#list(name).map((element) => {
      if (typeof element !== 'string') throw this.#wrong(name, 'a list of strings');
      return element;
    });
  }

  /** Returns a range of versions: two counts, the second not smaller. */
  range(name: string): readonly [number, number] {
    const [low, high, ...more] = this.#list(name);
    if (more.length > 0 || !isCount(low) || !isCount(high) || low > high) throw this.#wrong(name, 'a range');
    return [low, high];
  }

  /** Returns the result of `read`, or `undefined` if the member is missing or null. */
  optional<T>(name: string, read: (fields: this, name: string) => T): T | undefined {
    return this.has(name) ? read(this, name) : undefined;
  }

  #list(name: string): readonly unknown[] {
    const value = this.#values.get(name);
    if (!Array.isArray(value)) throw this.#wrong(name, 'a list');
    return value;
  }

  #wrong(name: string, expected: string): ProtocolViolationError {
    const value = JSON.stringify(this.#values.get(name)) as string | undefined;
    return new ProtocolViolationError(
      `${this.#where}.${name} is not ${expected}: ${(value ?? 'missing').slice(0, MAX_QUOTED)}`,
    );
  }
}

/** Returns a text for display. */
export function displayText(text: AgentText): string {
  return typeof text === 'string' ? text : Buffer.from(text).toString();
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
