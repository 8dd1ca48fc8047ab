import { InvalidSpecError } from '../../errors/caller.ts';

/** The kernel's limit for one argument or environment entry: 128 KiB including the final NUL. */
const maxTextBytes = 131_071;
/** The limit for a process's arguments and environment together, each including its final NUL. */
const maxTotalBytes = 1024 * 1024;

/** @throws InvalidSpecError - a text exceeds the kernel's limit. The field contains its index */
export function checkTexts(field: string, texts: readonly string[]): readonly string[] {
  for (const [index, text] of texts.entries()) {
    const bytes = Buffer.byteLength(text);
    if (bytes > maxTextBytes)
      throw new InvalidSpecError(
        `${field}[${index}]`,
        `has ${bytes} bytes, more than the kernel's limit of ${maxTextBytes}`,
      );
  }
  return texts;
}

/** @throws InvalidSpecError - the texts together exceed the limit of a process */
export function checkTotal(field: string, texts: readonly string[]): readonly string[] {
  const bytes = sizeOf(texts);
  if (bytes > maxTotalBytes) throw tooLarge(field, bytes);
  return texts;
}

/**
 * @throws InvalidSpecError - an argument exceeds the kernel's limit, or arguments and environment
 *   together exceed the limit of a process. Then the field is the longer of the two
 */
export function checkProcessSize(args: readonly string[], env: readonly string[]): void {
  checkTexts('args', args.slice(1));
  const [argsBytes, envBytes] = [sizeOf(args), sizeOf(env)];
  if (argsBytes + envBytes > maxTotalBytes) throw tooLarge(argsBytes > envBytes ? 'args' : 'env', argsBytes + envBytes);
}

/**
 * Returns the container's environment followed by the process's own. The last entry of a name
 * applies.
 */
export function mergeEnvironment(container: readonly string[], own: readonly string[]): readonly string[] {
  const entries = [...container, ...own].map((entry) => [entry.slice(0, entry.indexOf('=')), entry] as const);
  return [...new Map(entries).values()];
}

function sizeOf(texts: readonly string[]): number {
  return texts.reduce((bytes, text) => bytes + Buffer.byteLength(text) + 1, 0);
}

function tooLarge(field: string, bytes: number): InvalidSpecError {
  return new InvalidSpecError(
    field,
    `arguments and environment have ${bytes} bytes together, more than the limit of ${maxTotalBytes}`,
  );
}
