import { createHash } from 'node:crypto';

import { InvalidSpecError } from '../../errors/caller.ts';
import type { ContainerOwner } from '../../runtime/container.ts';
import { ownerLimits, propertyLimits } from '../field-limits.ts';

/**
 * Checks a text before it is stored, so that it comes back as it was given: PostgreSQL has no NUL, and UTF-8 has no lone surrogates.
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

/** @throws InvalidSpecError - of the field that is told for each */
export function checkProperty(nameField: string, name: string, valueField: string, value: string): void {
  checkText(nameField, name, propertyLimits.nameCharacters);
  checkStorable(valueField, value);
  if (Buffer.byteLength(value) > propertyLimits.valueBytes)
    throw new InvalidSpecError(valueField, `must have at most ${propertyLimits.valueBytes} bytes`);
}

/** @throws InvalidSpecError */
export function checkOwner(owner: ContainerOwner): void {
  checkText('owner.kind', owner.kind, ownerLimits.kindCharacters);
  checkText('owner.key', owner.key, ownerLimits.keyCharacters);
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

/** What makes an owner's live row unique on its worker: of one length, whatever the length of the key. */
export function ownerDigest(owner: ContainerOwner): string {
  return createHash('sha256')
    .update(JSON.stringify([owner.kind, owner.key]))
    .digest('hex');
}

/** A value for a jsonb column. @throws InvalidSpecError - a text in it that PostgreSQL cannot store */
export function toJson(field: string, value: unknown): string {
  return JSON.stringify(value, (name, member: unknown) => {
    checkStorable(field, name);
    if (typeof member === 'string') checkStorable(field, member);
    return member;
  });
}
