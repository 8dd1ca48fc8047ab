import type { V1EnvVar } from '@kubernetes/client-node';

import type { SecretKey } from '../../runtime/secrets.ts';

/** Returns the variables of `NAME=value` entries. The last entry of a name applies. */
export function literalVariables(entries: readonly string[]): V1EnvVar[] {
  const values = new Map<string, string>();
  for (const entry of entries) {
    const separator = entry.indexOf('=');
    if (separator <= 0) continue;
    values.set(entry.slice(0, separator), entry.slice(separator + 1));
  }
  return [...values].map(([name, value]) => ({ name, value: literal(value) }));
}

/** Returns variables that refer to secrets. They contain no value. */
export function secretVariables(secrets: Readonly<Record<string, SecretKey>>): V1EnvVar[] {
  return Object.entries(secrets).map(([variable, { secretName: name, key, optional }]) => ({
    name: variable,
    valueFrom: { secretKeyRef: { name, key, ...(optional === undefined ? {} : { optional }) } },
  }));
}

/** Escapes `$`. Kubernetes replaces `$(NAME)`, and `$$` by `$`, in values and arguments. */
export function literal(text: string): string {
  return text.replaceAll('$', '$$$$');
}
