const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * Returns text from a cluster or a database for a terminal: on one line, with control characters and
 * characters of the writing direction escaped.
 */
export function printable(text: string): string {
  return text.replace(unprintable, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

/** Like `printable`, with the lines of the text kept. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** Returns JSON that has no character which a terminal interprets, apart from line breaks. */
export function jsonText(value: unknown, indent?: number): string {
  const json = JSON.stringify(value, undefined, indent);
  return json.replace(unprintable, (character) => {
    if (character === '\n') return character;
    return [...Array(character.length).keys()]
      .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`)
      .join('');
  });
}
