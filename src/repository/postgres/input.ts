import { createHash } from 'node:crypto';

import { InvalidSpecError } from '../../errors/caller.ts';
import type { ContainerOwner } from '../../runtime/container.ts';
import { checkStorable } from '../field-checks.ts';

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

/** @throws InvalidSpecError */
export function checkCount(field: string, count: number): void {
  if (!Number.isSafeInteger(count) || count < 0)
    throw new InvalidSpecError(field, 'must be a whole number, zero or more');
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

/** Returns the digest that makes the valid cache of a key unique on its worker. */
export function keyDigest(key: string): string {
  return createHash('sha256').update(key).digest('hex');
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
