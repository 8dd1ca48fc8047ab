import type { Compilable } from 'kysely';

import { now, type StatementBuilder } from '../tables.ts';

/** A property of a container. A container without properties is one row of nulls. */
interface PropertyRow {
  readonly name: string | null;
  readonly value: string | null;
}

/** Selects the properties of a container, and no row if it does not exist. */
export function selectProperties(statements: StatementBuilder, handle: string): Compilable<PropertyRow> {
  return statements
    .selectFrom('containers')
    .leftJoin('container_properties as property', 'property.container_id', 'containers.id')
    .select(['property.name', 'property.value'])
    .where('containers.handle', '=', handle);
}

/** Sets a property. Selects no row if the container does not exist. */
export function upsertProperty(
  statements: StatementBuilder,
  handle: string,
  name: string,
  value: string,
): Compilable<{ name: string }> {
  return statements
    .with('container', (db) => db.selectFrom('containers').select('id').where('handle', '=', handle).forKeyShare())
    .insertInto('container_properties')
    .columns(['container_id', 'name', 'value'])
    .expression((eb) =>
      eb.selectFrom('container').select((eb) => ['id', eb.val(name).as('name'), eb.val(value).as('value')]),
    )
    .onConflict((conflict) =>
      conflict
        .columns(['container_id', 'name'])
        .doUpdateSet((eb) => ({ value: eb.ref('excluded.value'), updated_at: now() })),
    )
    .returning('name');
}
