/** Returns the first line of a template that scripts/chart.ts writes. */
export function generatedComment(source: string): string {
  return `{{/* Written by scripts/chart.ts from ${source}. Do not edit. */}}`;
}
