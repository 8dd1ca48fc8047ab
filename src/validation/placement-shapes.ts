import * as v from 'valibot';

import { InvalidSpecError } from '../errors/caller.ts';
import type { ReservationRequest } from '../runtime/placement.ts';
import { optionalText, text } from './common-shapes.ts';
import type { FieldsOf } from './shape.ts';

export const artifactHandles: v.GenericSchema = v.array(v.string());

export const reservationRequest: v.GenericSchema = v.strictObject({
  kind: text,
  limit: v.number(),
  ttlMs: v.number(),
  id: optionalText,
} satisfies FieldsOf<ReservationRequest>);

/** @throws InvalidSpecError */
export function checkReservationTime({ ttlMs }: ReservationRequest): void {
  if (!Number.isSafeInteger(ttlMs) || ttlMs < 1)
    throw new InvalidSpecError('ttlMs', `${ttlMs} is not a positive number of milliseconds`);
}
