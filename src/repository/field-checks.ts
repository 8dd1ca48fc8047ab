import { InvalidSpecError } from '../errors/caller.ts';
import type { ContainerOwner } from '../runtime/container.ts';

/** The maximum number of characters in the parts of an owner. Each part has at least one. */
const ownerLimits: { readonly kindCharacters: number; readonly keyCharacters: number } = {
  kindCharacters: 63,
  keyCharacters: 1024,
};

/** The longest name of a property, which has at least one character, and the longest value in UTF-8. */
const propertyLimits: { readonly nameCharacters: number; readonly valueBytes: number } = {
  nameCharacters: 253,
  valueBytes: 1024 * 1024,
};

/** The maximum number of objects in a page of a list. */
const maxPageLimit = 1000;

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
  checkText(nameField, name, propertyLimits.nameCharacters);
  checkStorable(valueField, value);
  if (Buffer.byteLength(value) > propertyLimits.valueBytes)
    throw new InvalidSpecError(valueField, `must have at most ${propertyLimits.valueBytes} bytes`);
}

/** @throws InvalidSpecError */
export function checkPageLimit(limit: number): void {
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > maxPageLimit)
    throw new InvalidSpecError('limit', `must be a whole number from 1 to ${maxPageLimit}`);
}

/** @throws InvalidSpecError */
export function checkOwner(owner: ContainerOwner): void {
  checkText('owner.kind', owner.kind, ownerLimits.kindCharacters);
  checkText('owner.key', owner.key, ownerLimits.keyCharacters);
}
