/** Parses YAML, which includes JSON. */
export async function parseYaml(text: string): Promise<unknown> {
  if (text.trimStart().startsWith('{')) {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      // A map of YAML can begin with a brace as well.
    }
  }
  // Imported where it is needed: many hosts use the service account of their pod.
  const { load } = await import('js-yaml');
  return load(text);
}
