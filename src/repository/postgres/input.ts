import { createHash } from 'node:crypto';

import { InvalidSpecError } from '../../errors/caller.ts';
import type { ContainerOwner } from '../../runtime/container.ts';

/** The size limit of a property's value, in bytes of UTF-8. */
const propertyLimitBytes = 1_048_576;

/**
 * Checks a text before it is stored, so that a read returns the same text: PostgreSQL cannot store
 * NUL, and UTF-8 has no lone surrogates.
 *
 * @throws InvalidSpecError
 */
export function checkText(field: string, value: string, maxCharacters: number): void {
  if (value === '') throw new InvalidSpecError(field, 'must not be empty');
  checkStorable(field, value);
  if (value.length > maxCharacters && Array.from(value).length > maxCharacters) {
    throw new InvalidSpecError(field, `must have at most ${maxCharacters} characters`);
  }
}

/** @throws InvalidSpecError */
export function checkStorable(field: string, value: string): void {
  if (value.includes('\0')) throw new InvalidSpecError(field, 'must not have a NUL character');
  if (!value.isWellFormed()) throw new InvalidSpecError(field, 'must be well-formed Unicode');
}

/**
 * Checks a property. An error has the field that was passed for the name or for the value.
 *
 * @throws InvalidSpecError
 */
export function checkProperty(nameField: string, name: string, valueField: string, value: string): void {
  checkText(nameField, name, 253);
  checkStorable(valueField, value);
  if (Buffer.byteLength(value) > propertyLimitBytes)
    throw new InvalidSpecError(valueField, `must have at most ${propertyLimitBytes} bytes`);
}

/** @throws InvalidSpecError */
export function checkOwner(owner: ContainerOwner): void {
  checkText('owner.kind', owner.kind, 63);
  checkText('owner.key', owner.key, 1_024);
}

/** @throws InvalidSpecError */
export function checkDuration(field: string, durationMs: number): void {
  if (!Number.isFinite(durationMs) || durationMs < 0)
    throw new InvalidSpecError(field, 'must be a number of milliseconds, zero or more');
}

/** @throws InvalidSpecError */
export function checkLimit(limit: number): void {
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new InvalidSpecError('limit', 'must be a whole number, one or more');
}

/**
 * Returns the digest that makes an owner's live row unique on its worker. Unlike the
 * owner's key, it has a fixed length.
 */
export function ownerDigest(owner: ContainerOwner): string {
  return createHash('sha256')
    .update(JSON.stringify([owner.kind, owner.key]))
    .digest('hex');
}

/**
 * Returns the JSON text of a value for a `jsonb` column.
 *
 * @throws InvalidSpecError - PostgreSQL cannot store one of its texts
 */
export function toJson(field: string, value: unknown): string {
  return JSON.stringify(value, (name, member: unknown) => {
    checkStorable(field, name);
    if (typeof member === 'string') checkStorable(field, member);
    return member;
  });
}
