/** Returns the titles of the suites and tests in the text of a spec, as they are written there. */
export function titlesOf(source: string): readonly string[] {
  const titles = source.matchAll(
    /\b(?:describe|context|it)\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g,
  );
  return [...titles].map(([, single, double, template]) =>
    (single ?? double ?? template ?? '').replaceAll(/\\(['"`])/g, '$1').replaceAll('\\u2019', '’'),
  );
}
