/** Shorter values occur in lines by chance, and replacing them would make the log unreadable. */
const shortestSecret = 4;
const replacement = '[redacted]';

/** Replaces secrets in lines of JSON, by their value. */
export class Redaction {
  /** As they occur in JSON, the longest first: one that contains another is replaced whole. */
  #secrets: readonly string[] = [];

  constructor(secrets: Iterable<string>) {
    for (const secret of secrets) this.add(secret);
  }

  /** Adds a secret. Of a URL with a password, adds the URL, the password, and the password decoded. */
  add(secret: string): void {
    const values = [secret, ...passwordsOf(secret)].filter(({ length }) => length >= shortestSecret);
    const secrets = new Set([...this.#secrets, ...values.map((value) => JSON.stringify(value).slice(1, -1))]);
    this.#secrets = [...secrets].sort((a, b) => b.length - a.length);
  }

  apply(line: string): string {
    let redacted = line;
    for (const secret of this.#secrets) redacted = redacted.replaceAll(secret, replacement);
    return redacted;
  }
}

function passwordsOf(secret: string): readonly string[] {
  const password = URL.canParse(secret) ? new URL(secret).password : '';
  if (password === '') return [];
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password];
  }
}
