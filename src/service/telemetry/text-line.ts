/** Returns a line of JSON as a line for people: the time, the level, the message, then the fields. */
export function textLine(json: string): string {
  const { time, level, message, ...fields } = JSON.parse(json) as Readonly<Record<string, unknown>>;
  const facts = Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `${[time, String(level).toUpperCase().padEnd(5), message, ...facts].join(' ')}\n`;
}
