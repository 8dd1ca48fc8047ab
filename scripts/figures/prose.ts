import type { SourceFile } from './sources.ts';

/** The comments and document texts of the files, in words, and the words among them that stand for people. */
export interface ProseFigures {
  readonly words: number;
  readonly pronouns: number;
}

const pronoun = /\b(who|whom|whoever|nobody|somebody|anybody|everybody|someone|anyone|everyone|he|she)\b/gi;

/** Counts the words of comments in code, and of prose in documents. */
export function measureProse(files: readonly SourceFile[]): ProseFigures {
  const texts = files.map(({ path, lines }) => (path.endsWith('.md') ? proseOf(lines) : commentsOf(lines.join('\n'))));
  const all = texts.join('\n');
  return { words: all.match(/[A-Za-z']+/g)?.length ?? 0, pronouns: all.match(pronoun)?.length ?? 0 };
}

function proseOf(lines: readonly string[]): string {
  let isCode = false;
  return lines
    .filter((line) => {
      if (line.startsWith('```')) isCode = !isCode;
      return !isCode;
    })
    .join('\n');
}

/** The parts of a source text that are comments; strings that hold `//` or a block comment are skipped. */
function commentsOf(text: string): string {
  const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g;
  return [...text.matchAll(token)]
    .map(([part]) => part)
    .filter((part) => part.startsWith('/'))
    .join('\n');
}
