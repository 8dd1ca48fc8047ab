/** Returns the UUIDs of an incarnation, one after the other. Each shows which incarnation made it. */
export function incarnationIds(id: string): () => string {
  let count = 0;
  return () => {
    count += 1;
    return `${prefixOf(id)}${hex(count)}-0000-4000-8000-000000000000`;
  };
}

/** Whether an incarnation has made a UUID. */
export function isIdOf(id: string, uuid: string): boolean {
  return uuid.startsWith(prefixOf(id));
}

/** The number at the end of the name of an incarnation is unique in a world. */
function prefixOf(id: string): string {
  return hex(Number(/\d+$/.exec(id)?.[0] ?? 0));
}

function hex(number: number): string {
  return number.toString(16).padStart(4, '0');
}
