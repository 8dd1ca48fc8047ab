import { type ApiObject, isRecord } from './api-object.ts';
import { checkConfigKey, checkLabelValue, checkQualifiedName, type NameCheck } from './names.ts';
import type { StatusCause } from './status.ts';

const maxDataBytes = 1024 * 1024;
const maxAnnotationsBytes = 256 * 1024;

export function required(field: string, detail = ''): StatusCause {
  return {
    reason: 'FieldValueRequired',
    message: detail === '' ? 'Required value' : `Required value: ${detail}`,
    field,
  };
}

export function invalidValue(field: string, value: unknown, why: string): StatusCause {
  return { reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(value)}: ${why}`, field };
}

export function notFoundValue(field: string, value: string): StatusCause {
  return { reason: 'FieldValueNotFound', message: `Not found: ${JSON.stringify(value)}`, field };
}

export function duplicateValue(field: string, value: string): StatusCause {
  return { reason: 'FieldValueDuplicate', message: `Duplicate value: ${JSON.stringify(value)}`, field };
}

export function unsupportedValue(field: string, value: unknown, supported: readonly string[]): StatusCause {
  const list = supported.map((each) => JSON.stringify(each)).join(', ');
  return {
    reason: 'FieldValueNotSupported',
    message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`,
    field,
  };
}

export function forbidden(field: string, why: string): StatusCause {
  return { reason: 'FieldValueForbidden', message: `Forbidden: ${why}`, field };
}

/** Returns the faults of a name: missing, or malformed. */
export function checkName(field: string, name: unknown, check: NameCheck): StatusCause[] {
  if (typeof name !== 'string' || name === '') return [required(field)];
  const fault = check(name);
  return fault === undefined ? [] : [invalidValue(field, name, fault)];
}

/** Returns the faults in the metadata that all objects have: name, labels, annotations. */
export function validateMetadata(object: ApiObject, nameCheck: NameCheck): StatusCause[] {
  const { name, labels, annotations } = object.metadata;
  const causes: StatusCause[] = [];
  if (name === '') causes.push(required('metadata.name', 'name or generateName is required'));
  else causes.push(...checkName('metadata.name', name, nameCheck));
  for (const [key, value] of Object.entries(labels ?? {})) {
    const keyFault = checkQualifiedName(key);
    if (keyFault !== undefined) causes.push(invalidValue('metadata.labels', key, keyFault));
    const valueFault = checkLabelValue(value);
    if (valueFault !== undefined) causes.push(invalidValue('metadata.labels', value, valueFault));
  }
  causes.push(...validateAnnotations(annotations ?? {}));
  return causes;
}

function validateAnnotations(annotations: Readonly<Record<string, string>>): StatusCause[] {
  const causes: StatusCause[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations)) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
    const fault = checkQualifiedName(key.toLowerCase());
    if (fault !== undefined) causes.push(invalidValue('metadata.annotations', key, fault));
  }
  if (bytes > maxAnnotationsBytes) causes.push(tooLong('metadata.annotations', maxAnnotationsBytes));
  return causes;
}

function tooLong(field: string, limitBytes: number): StatusCause {
  return { reason: 'FieldValueTooLong', message: `Too long: may not be more than ${limitBytes} bytes`, field };
}

/** Returns the faults of `data` and `binaryData`: malformed keys, and a total size above 1 MiB. */
export function validateData(object: ApiObject, binary: readonly ('data' | 'binaryData')[]): StatusCause[] {
  const causes: StatusCause[] = [];
  let bytes = 0;
  for (const field of ['data', 'binaryData'] as const) {
    const values = object[field];
    if (!isRecord(values)) continue;
    for (const [key, value] of Object.entries(values)) {
      const fault = checkConfigKey(key);
      if (fault !== undefined) causes.push(invalidValue(`${field}[${key}]`, key, fault));
      bytes += typeof value === 'string' ? Buffer.byteLength(value, binary.includes(field) ? 'base64' : 'utf8') : 0;
    }
  }
  if (bytes > maxDataBytes) causes.push(tooLong('[]', maxDataBytes));
  return causes;
}

/** Returns the faults of a change to an immutable object. */
export function validateImmutable(previous: ApiObject, next: ApiObject): StatusCause[] {
  if (previous.immutable !== true) return [];
  const why = 'field is immutable when `immutable` is set';
  const causes: StatusCause[] = next.immutable === true ? [] : [forbidden('immutable', why)];
  for (const field of ['data', 'binaryData'] as const) {
    if (JSON.stringify(previous[field] ?? {}) !== JSON.stringify(next[field] ?? {})) causes.push(forbidden(field, why));
  }
  return causes;
}
