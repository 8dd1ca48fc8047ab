/**
 * Returns the text of a Chart.yaml with this version of the chart and of the program.
 *
 * @throws if a line with a version is missing
 */
export function withVersion(chart: string, version: string): string {
  const text = replaced(chart, /^version: .*$/m, `version: ${version}`);
  return replaced(text, /^appVersion: .*$/m, `appVersion: ${JSON.stringify(version)}`);
}

function replaced(text: string, line: RegExp, by: string): string {
  if (!line.test(text)) throw new Error(`Chart.yaml has no line like ${by}`);
  return text.replace(line, () => by);
}
