import { isRecord } from '../objects/api-object.ts';
import { badRequest, rejectedPatch, unsupportedPatch } from '../objects/status.ts';

/** The lists that a strategic merge joins by a key instead of replacing them, by field name. */
const mergeKeys: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  ephemeralContainers: 'name',
  volumes: 'name',
  env: 'name',
  imagePullSecrets: 'name',
  volumeMounts: 'mountPath',
  volumeDevices: 'devicePath',
  ports: 'containerPort',
  conditions: 'type',
  ownerReferences: 'uid',
  hostAliases: 'ip',
  topologySpreadConstraints: 'topologyKey',
  secrets: 'name',
  podIPs: 'ip',
  hostIPs: 'ip',
};

/** Applies the body of a PATCH in the format of its content type. */
export function applyPatch(contentType: string, target: unknown, patch: unknown): unknown {
  switch (contentType) {
    case 'application/merge-patch+json':
      return mergePatch(target, patch);
    case 'application/strategic-merge-patch+json':
      return strategicMerge(target, patch);
    case 'application/json-patch+json':
      return jsonPatch(target, patch);
    default:
      throw unsupportedPatch();
  }
}

/** Applies a merge patch (RFC 7386). */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

/**
 * Applies a strategic merge patch of Kubernetes, with the merge keys of the supported kinds,
 * `$patch`, `$retainKeys` and `$deleteFromPrimitiveList`.
 */
export function strategicMerge(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const { $patch: directive, $retainKeys: retain, ...fields } = patch;
  if (directive === 'replace') return fields;
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  if (Array.isArray(retain)) for (const key of Object.keys(result)) if (!retain.includes(key)) delete result[key];
  for (const [key, value] of Object.entries(fields)) mergeField(result, key, value);
  return result;
}

function mergeField(result: Record<string, unknown>, key: string, value: unknown): void {
  const [directive, field = ''] = key.startsWith('$') ? key.split('/') : [];
  const list = result[field];
  if (directive === '$deleteFromPrimitiveList' && Array.isArray(list) && Array.isArray(value))
    result[field] = list.filter((item) => !value.includes(item));
  if (directive !== undefined) return;
  const mergeKey = mergeKeys[key];
  if (value === null) delete result[key];
  else if (key === 'finalizers' && Array.isArray(value))
    result[key] = [...new Set([...listOf(result[key]), ...listOf(value)])];
  else if (mergeKey !== undefined && Array.isArray(value) && value.every(isRecord))
    result[key] = mergeList(result[key], value, mergeKey);
  else result[key] = strategicMerge(result[key], value);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function mergeList(target: unknown, patch: readonly Record<string, unknown>[], mergeKey: string): unknown[] {
  if (patch.some((item) => item['$patch'] === 'replace')) return patch.filter((item) => item['$patch'] === undefined);
  const result = [...listOf(target)];
  for (const item of patch) {
    const at = result.findIndex((existing) => isRecord(existing) && existing[mergeKey] === item[mergeKey]);
    if (item['$patch'] === 'delete') {
      if (at >= 0) result.splice(at, 1);
    } else if (at >= 0) result[at] = strategicMerge(result[at], item);
    else result.push(strategicMerge({}, item));
  }
  return result;
}

/**
 * Applies a JSON patch (RFC 6902).
 * @throws ApiError 422 if a `test` fails or a path does not exist
 */
export function jsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest('json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  const root = { document: structuredClone(target) };
  for (const operation of patch) applyOperation(root, operation);
  return root.document;
}

function applyOperation(root: { document: unknown }, operation: unknown): void {
  if (!isRecord(operation) || typeof operation['path'] !== 'string') throw rejectedPatch();
  const path = pointer(operation['path']);
  const from = typeof operation['from'] === 'string' ? pointer(operation['from']) : undefined;
  switch (operation['op']) {
    case 'add':
      return put(root, path, structuredClone(operation['value']), 'add');
    case 'replace':
      read(root, path);
      return put(root, path, structuredClone(operation['value']), 'replace');
    case 'remove':
      return void take(root, path);
    case 'test':
      if (JSON.stringify(read(root, path)) !== JSON.stringify(operation['value'])) throw rejectedPatch();
      return;
    case 'move':
      if (from === undefined) throw rejectedPatch();
      return put(root, path, take(root, from), 'add');
    case 'copy':
      if (from === undefined) throw rejectedPatch();
      return put(root, path, structuredClone(read(root, from)), 'add');
    default:
      throw rejectedPatch();
  }
}

function pointer(text: string): string[] {
  if (text !== '' && !text.startsWith('/')) throw rejectedPatch();
  return [
    'document',
    ...text
      .split('/')
      .slice(1)
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~')),
  ];
}

function read(root: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => {
    if (Array.isArray(value) && /^[0-9]+$/.test(key) && Number(key) < value.length)
      return value[Number(key)] as unknown;
    if (isRecord(value) && Object.hasOwn(value, key)) return value[key];
    throw rejectedPatch();
  }, root);
}

function put(root: unknown, path: readonly string[], value: unknown, how: 'add' | 'replace'): void {
  const parent = read(root, path.slice(0, -1));
  const key = path.at(-1) ?? '';
  if (Array.isArray(parent)) {
    const index = key === '-' ? parent.length : Number(key);
    if (!Number.isInteger(index) || index < 0 || index > parent.length) throw rejectedPatch();
    parent.splice(index, how === 'add' ? 0 : 1, value);
  } else if (isRecord(parent)) parent[key] = value;
  else throw rejectedPatch();
}

function take(root: unknown, path: readonly string[]): unknown {
  const value = read(root, path);
  const parent = read(root, path.slice(0, -1));
  const key = path.at(-1) ?? '';
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else if (isRecord(parent)) delete parent[key];
  return value;
}
