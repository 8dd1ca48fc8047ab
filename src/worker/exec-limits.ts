import { InvalidSpecError } from '../errors/caller.ts';

/** The kernel takes no longer argument or environment entry: 128 KiB with the NUL behind it. */
const maxTextBytes = 131_071;
/** Arguments and environment of a process together, each text with the NUL behind it. */
const maxTotalBytes = 1024 * 1024;

/** @throws InvalidSpecError - a text is longer than the kernel takes; the field has its index */
export function checkTexts(field: string, texts: readonly string[]): readonly string[] {
  for (const [index, text] of texts.entries()) {
    const bytes = Buffer.byteLength(text);
    if (bytes > maxTextBytes)
      throw new InvalidSpecError(
        `${field}[${index}]`,
        `has ${bytes} bytes, more than the ${maxTextBytes} that the kernel takes`,
      );
  }
  return texts;
}

/** @throws InvalidSpecError - the texts are together longer than a process may have */
export function checkTotal(field: string, texts: readonly string[]): readonly string[] {
  const bytes = sizeOf(texts);
  if (bytes > maxTotalBytes) throw tooLarge(field, bytes);
  return texts;
}

/** @throws InvalidSpecError - arguments and environment are together too long; the field is the longer one */
export function checkProcessSize(args: readonly string[], env: readonly string[]): void {
  checkTexts('args', args.slice(1));
  const [argsBytes, envBytes] = [sizeOf(args), sizeOf(env)];
  if (argsBytes + envBytes > maxTotalBytes) throw tooLarge(argsBytes > envBytes ? 'args' : 'env', argsBytes + envBytes);
}

/** The environment of a process: its container's, and then its own; the last entry of a name counts. */
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
    `arguments and environment have ${bytes} bytes together, more than ${maxTotalBytes}`,
  );
}
