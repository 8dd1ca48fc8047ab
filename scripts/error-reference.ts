// Writes the reference of `kubernetes-worker explain error` from the tables of docs/errors.md.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const source = new URL('../docs/errors.md', import.meta.url);
const target = new URL('../src/service/cli/errors.generated.ts', import.meta.url);

const row =
  /^\| `(?<code>KW_ERR_\w+)` \| `(?<className>\w+)`[^|]*\| (?<when>[^|]+) \| (?<retryable>[a-z ]+) \|(?<fields>[^|]*)\|$/gm;

/** Returns the text of the module for the text of the document. */
export function errorReferenceOf(document: string): string {
  const entries = [...document.matchAll(row)].map(({ groups = {} }) => {
    const { code = '', className = '', when = '', retryable = '', fields = '' } = groups;
    const names = [...fields.matchAll(/`(\w+)`/g)].map(([, name]) => `'${name}'`);
    return [
      '  {',
      `    code: '${code}',`,
      `    className: '${className}',`,
      `    when: ${literal(withoutLinks(when))},`,
      `    retryable: '${retryable}',`,
      `    fields: [${names.join(', ')}],`,
      '  },',
    ].join('\n');
  });
  return `${header}${entries.join('\n')}\n];\n`;
}

const header = `// Written by scripts/error-reference.ts from docs/errors.md. Do not edit.
import type { ErrorReference } from './error-reference.ts';

/** The errors of the library, in the order of the document. */
export const errorReferences: readonly ErrorReference[] = [
`;

function withoutLinks(markdown: string): string {
  return markdown.replace(/\[([^\]]+)\]\([^)]+\)/g, '$1');
}

/** Returns a string literal, with the quotes that the formatter chooses. */
function literal(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\');
  return text.includes("'") ? `"${escaped.replaceAll('"', '\\"')}"` : `'${escaped}'`;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await writeFile(target, errorReferenceOf(await readFile(source, 'utf8')));
