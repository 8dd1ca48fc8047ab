import type { Type } from 'ts-morph';

const zeroOfSymbol: Readonly<Record<string, string>> = {
  ReadonlyMap: 'new Map()',
  Map: 'new Map()',
  ReadonlySet: 'new Set()',
  Set: 'new Set()',
  Uint8Array: 'new Uint8Array()',
  AsyncIterable: 'emptyAsyncIterable()',
};

/**
 * Returns the source of a type's zero value. Returns undefined for types whose zero value could be
 * mistaken for a result: there is no zero `Process` and no zero literal.
 */
export function zeroValue(type: Type): string | undefined {
  const admitsUndefined =
    type.isUnion() && type.getUnionTypes().some((member) => member.isUndefined() || member.isVoid());
  if (type.isUndefined() || type.isVoid() || admitsUndefined) return 'undefined';
  if (type.isString()) return "''";
  if (type.isNumber()) return '0';
  if (type.isBoolean()) return 'false';
  if (type.isArray() || type.isReadonlyArray()) return '[]';
  if (isDictionary(type)) return '{}';
  return zeroOfSymbol[type.getSymbol()?.getName() ?? ''];
}

function isDictionary(type: Type): boolean {
  return (
    type.getStringIndexType() !== undefined &&
    type.getProperties().length === 0 &&
    type.getCallSignatures().length === 0
  );
}
