/**
 * Returns the titles of the suites and tests in the text of a spec, as they are written there. A
 * function whose name begins with `forEach` declares tests too.
 */
export function titlesOf(source: string): readonly string[] {
  const titles = source.matchAll(
    /\b(?:describe|context|it|forEach[A-Z]\w*)\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g,
  );
  return [...titles].map(([, single, double, template]) =>
    (single ?? double ?? template ?? '').replaceAll(/\\(['"`])/g, '$1').replaceAll('\\u2019', '’'),
  );
}
