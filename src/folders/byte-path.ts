/** Paths and names are bytes, which any encoding may have. As text they are latin1: a character for each byte. */

/** Returns the bytes of a text. */
export function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** Returns bytes as text for messages. */
export function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString();
}

/** Returns bytes for a call of the file system. */
export function pathOf(bytes: string): Buffer {
  return Buffer.from(bytes, 'latin1');
}
