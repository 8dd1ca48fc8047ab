/** Parses YAML, of which JSON is a part. */
export async function parseYaml(text: string): Promise<unknown> {
  if (text.trimStart().startsWith('{')) {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      // A map of YAML can begin with a brace as well.
    }
  }
  // Imported where it is needed: with its parser client-node loads all its classes, which takes
  // longer than loading the library.
  const { loadYaml } = await import('@kubernetes/client-node');
  return loadYaml(text);
}
